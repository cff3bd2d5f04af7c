import t from 'tap'
import type { PageRequest } from '../../src/dashboard/page.ts'
import { sendersPage } from '../../src/dashboard/senders.ts'
import { keyOf, startWithKeys, withKey } from '../support/api-keys.ts'
import { signedIn } from '../support/browser.ts'
import { testClock } from '../support/clock.ts'
import { startService } from '../support/service.ts'

function olderIn(text: string): string {
  const [, older = ''] = /rel="next" href="([^"]+)"/.exec(text) ?? []
  return older.replaceAll('&#38;', '&').replaceAll('&#61;', '=')
}

t.test('Now shows the backlog, and the checks that need attention', async (t) => {
  const service = await startService(t)
  service.sandbox.tenant.order({ kind: 'hang', route: 'revoke' })
  const { id } = service.userWithTokens(2)
  await service.call('POST', '/logout-hook', { body: { userId: id } })
  const { text } = await (await signedIn(service)).get('/dashboard')
  t.match(text, /<caption>Backlog of each tenant<\/caption>/)
  t.match(text, /<td><b>default<\/b><\/td>/)
})

t.test('pages show what a tenant and a revocation wait for, and until when', async (t) => {
  const service = await startService(t)
  service.sandbox.tenant.order({ kind: 'rate-limited', route: 'revoke', blocks: true, seconds: 600 })
  const { id } = service.userWithTokens(2)
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: id } })
  const browser = await signedIn(service)
  let text = ''
  while (!text.includes('Waits for')) text = (await browser.get('/dashboard')).text
  t.match(text, /Waits for Qlik’s rate limit, until <time /)
  const one = await browser.get(`/dashboard/revocations/${json.id}`)
  t.match(one.text, /<dt>Waits for<\/dt><dd>Qlik’s rate limit, until <time /)
})

t.test('Revocations are searched, listed in pages, and shown with what happened', async (t) => {
  const service = await startService(t)
  const { id } = service.userWithTokens(2)
  const revoked = await service.revoke({ userId: id })
  for (let count = 0; count < 60; count += 1)
    await service.call('POST', '/logout-hook', { body: { userId: `other-${count}` } })
  const browser = await signedIn(service)
  const first = await browser.get('/dashboard/revocations')
  t.match(first.text, />61 found</)
  const second = await browser.get(olderIn(first.text))
  t.match(second.text, revoked.id)
  const found = await browser.get(`/dashboard/revocations?userId=${id}&status=completed`)
  t.match(found.text, />1 found</)
  t.match(found.text, revoked.id)
  const one = await browser.get(`/dashboard/revocations/${revoked.id}`)
  t.match(one.text, /<span class="good">verified<\/span>/)
  t.match(one.text, /signal-accepted/)
  t.match(one.text, /revocation-verified/)
})

t.test('texts from senders are escaped', async (t) => {
  const service = await startService(t)
  const subject = '"><script>alert(1)</script>'
  const { json } = await service.call('POST', '/logout-hook', { body: { subject } })
  const browser = await signedIn(service)
  const paths = [
    '/dashboard/revocations',
    `/dashboard/revocations?subject=${encodeURIComponent(subject)}`,
    `/dashboard/revocations/${json.id}`,
    `/dashboard/revocations?tenant=${encodeURIComponent(subject)}`,
  ]
  for (const path of paths) t.notMatch((await browser.get(path)).text, '<script>alert', path)
})

t.test('what the API refuses is shown with what to do', async (t) => {
  const service = await startService(t)
  const browser = await signedIn(service)
  const nonsense = await browser.get('/dashboard/revocations?since=yesterday')
  t.equal(nonsense.status, 400)
  t.match(nonsense.text, /role="alert"/)
  t.equal((await browser.get('/dashboard/revocations/unknown')).status, 404)
  const repeated = await browser.get('/dashboard/revocations?status=queued&status=failed')
  t.equal(repeated.status, 400)
  t.match(repeated.text, /role="alert"/)
})

t.test('pages allow no inline scripts, no other hosts and no frames', async (t) => {
  const service = await startService(t)
  const { headers, text } = await (await signedIn(service)).get('/dashboard')
  const policy = String(headers.get('content-security-policy'))
  t.match(policy, /default-src 'none'/)
  t.match(policy, /frame-ancestors 'none'/)
  t.notMatch(policy, /unsafe/)
  t.equal(headers.get('cache-control'), 'no-store')
  t.notMatch(text, /<script>|style="|onclick/)
})

t.test('a page is notified when something happens', async (t) => {
  const service = await startService(t)
  const browser = await signedIn(service)
  const response = await fetch(`${service.url}/dashboard/events`, {
    headers: { cookie: [...browser.cookies].map((pair) => pair.join('=')).join('; ') },
  })
  t.equal(response.headers.get('content-type'), 'text/event-stream')
  const reader = response.body?.getReader()
  const read = async () => Buffer.from((await reader?.read())?.value ?? '').toString()
  t.equal(await read(), ':\n\n')
  await service.call('POST', '/logout-hook', { body: { userId: 'ann' } })
  t.equal(await read(), 'data: changed\n\n')
  await reader?.cancel()
})

t.test('Now shows how many users were logged out, and the budget of each client', async (t) => {
  const service = await startService(t)
  const browser = await signedIn(service)
  while (!/No user was logged out in this time/.test((await browser.get('/dashboard')).text));
  await service.revoke({ userId: service.userWithTokens(2).id })
  // The figures are kept for five seconds.
  testClock.skip(6_000)
  const shown = async () => (await browser.get('/dashboard')).text
  let text = await shown()
  // On a busy machine, the first page does not wait until everything is counted.
  while (!/<dt>Verified<\/dt><dd>1<\/dd>/.test(text)) text = await shown()
  t.match(
    text,
    /<svg class="area" [^>]*role="img" aria-labelledby="hour-users-title hour-users-description">/,
  )
  t.match(text, /<td><code>\w+<\/code><\/td><td class="number">[\d,]+ of 5,000<\/td>/)
})

t.test('filters suggest names, and keep what was entered', async (t) => {
  const service = await startService(t)
  const browser = await signedIn(service)
  const { text } = await browser.get('/dashboard/revocations?tenant=default&source=x')
  t.match(text, /<datalist id="tenant-values"><option value="default">/)
  t.match(text, /<datalist id="code-values">.*CURFEW_QLIK_UNAVAILABLE/)
  t.match(text, /name="source" value="x"/)
  t.match(text, /<details id="more-filters" open>/)
  t.match(text, /No revocation matches/)
})

t.test('Sources and keys shows rejections with their reason, to keys that may see them', async (t) => {
  const service = await startWithKeys(t, { app: { roles: ['signal'] }, reader: { roles: ['read'] } })
  await service.call('POST', '/logout-hook', { ...withKey('app'), body: { unknown: 1 } })
  const { text } = await (await signedIn(service)).get('/dashboard/senders')
  t.match(text, /<b>app<\/b>.*<code>CURFEW_REQUEST_INVALID<\/code>/)
  t.match(text, /No source is configured/)
  const reader = await (await signedIn(service, keyOf('reader'))).get('/dashboard/senders')
  t.equal(reader.status, 200)
  t.match(reader.text, /with the role operate/)
})

t.test('Sources and keys does not call a sender free of rejections that were not counted', async (t) => {
  const clock = testClock
  const since = (ms: number) => new Date(clock.now() - ms).toISOString()
  const show = async (perHour: number[], rejectionsSince: string, tenants: string[] | null = null) => {
    const app = { name: 'app', kind: 'x', lastAcceptedAt: null, lastRejected: null }
    const sources = tenants ? [] : [{ ...app, rejections: { perHour, last: null } }]
    const api = { get: async () => ({ apiKeys: [], webhookSecrets: [], sources, rejectionsSince }) }
    const request = { api, clock, key: { tenants } } as unknown as PageRequest
    const answer = await sendersPage.handle(request)
    return 'content' in answer ? answer.content : ''
  }
  const none = Array.from({ length: 24 }, () => 0)
  const day = 24 * 60 * 60_000
  t.match(await show(none, since(day)), '>none<')
  const unknown = await show(none, since(day / 12))
  t.match(unknown, 'not known before <time')
  t.notMatch(unknown, '>none<')
  t.match(await show([...none.slice(1), 5], since(day)), '5 in the last hour, 5 in 24 h')
  const some = await show([...none.slice(1), 5_000], since(day / 12))
  t.match(some, '5,000 since <time')
  t.notMatch(some, '24 h')
  t.match(await show(none, since(day), ['acme']), 'This key sees no source: it is restricted to tenants.')
})

t.test('the audit trail is searched, listed in pages, and leads to the revocation', async (t) => {
  const service = await startService(t)
  const { id } = await service.revoke({ userId: service.userWithTokens(1).id })
  for (let count = 0; count < 60; count += 1)
    await service.call('POST', '/logout-hook', { body: { email: `user${count}@example.com` } })
  const browser = await signedIn(service)
  const first = await browser.get('/dashboard/audit')
  t.match(first.text, 'The first check is not finished')
  const second = await browser.get(olderIn(first.text))
  t.match(second.text, 'chain-started')
  const found = await browser.get(`/dashboard/audit?revocation=${id}&event=revocation-verified`)
  t.match(found.text, `href="/dashboard/revocations/${id}"`)
  t.notMatch(found.text, '<td>signal-accepted</td>')
  t.match((await browser.get('/dashboard/audit?event=held')).text, /No entry matches|see older ones/)
  for (const nonsense of ['from=yesterday', 'event=x', 'revocation=x', 'cursor=x', 'email=a&userId=b']) {
    const { status, text } = await browser.get(`/dashboard/audit?${nonsense}`)
    t.equal(status, 400, nonsense)
    t.match(text, /role="alert"/)
  }
})

t.test('a restricted key sees its entries, and why the state of the chains is not shown', async (t) => {
  const service = await startWithKeys(t, { some: { roles: ['read'], tenants: ['default'] } })
  const { status, text } = await (await signedIn(service, keyOf('some'))).get('/dashboard/audit')
  t.equal(status, 200)
  t.match(text, 'not restricted to tenants')
})

t.test('without an audit trail, the pages say so', async (t) => {
  const service = await startService(t, { environment: { AUDIT_RETENTION_DAYS: '0' } })
  const browser = await signedIn(service)
  t.match((await browser.get('/dashboard/audit')).text, 'The audit trail is off')
  t.match((await browser.get('/dashboard/senders')).text, 'the audit trail is off')
})

t.test('open pages are limited, and each refused one is told when to try again', async (t) => {
  const service = await startService(t)
  const { cookies } = await signedIn(service)
  const headers = { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') }
  const open = () => fetch(`${service.url}/dashboard/events`, { headers })
  const all = await Promise.all(Array.from({ length: 200 }, open))
  t.equal(all.filter(({ status }) => status === 200).length, 30)
  const refused = all.find(({ status }) => status !== 200)
  t.equal(refused?.status, 503)
  t.equal(refused?.headers.get('retry-after'), '60')
  t.equal((await (await signedIn(service)).get('/dashboard')).status, 200)
})
