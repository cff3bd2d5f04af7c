import t from 'tap'
import { Browser } from '../support/browser.ts'
import { API_KEY, type Service, startService } from '../support/service.ts'

async function signedIn(service: Service): Promise<Browser> {
  const browser = new Browser(service.url)
  await browser.submit(await browser.get('/dashboard/sign-in'), '/dashboard/sign-in', { key: API_KEY })
  return browser
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

t.test('Revocations are searched, listed in pages, and shown with what happened', async (t) => {
  const service = await startService(t)
  const { id } = service.userWithTokens(2)
  const revoked = await service.revoke({ userId: id })
  for (let count = 0; count < 60; count += 1)
    await service.call('POST', '/logout-hook', { body: { userId: `other-${count}` } })
  const browser = await signedIn(service)
  const first = await browser.get('/dashboard/revocations')
  t.match(first.text, />61 found</)
  const older = /rel="next" href="([^"]+)"/.exec(first.text)?.[1] ?? ''
  const second = await browser.get(older.replaceAll('&#38;', '&').replaceAll('&#61;', '='))
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
