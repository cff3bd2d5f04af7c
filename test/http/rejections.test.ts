import t, { type Test } from 'tap'
import { MAX_ADDRESSES, WARNING_EVERY_MS } from '../../src/http/report-rejection.ts'
import { startWithKeys, withKey } from '../support/api-keys.ts'
import { fakeClock } from '../support/clock.ts'
import { sendRequest } from '../support/raw-http.ts'
import { rejectionCounts, rejectionLines } from '../support/rejections.ts'
import type { ServiceOptions } from '../support/service.ts'
import { startWithSources } from '../support/source-service.ts'

const VENDOR = { name: 'vendor', kind: 'okta-event-hook', secret: 'a-shared-secret-of-32-characters' }
const WRONG = { authorization: 'Bearer a-wrong-key-0123456789' }
const SIGNED = { 'webhook-id': 'm1', 'webhook-signature': 'v1,AAAA' }

async function start(t: Test, options: ServiceOptions = {}) {
  const clock = fakeClock()
  const service = await startWithSources(t, [VENDOR], { clock, ...options })
  return { service, clock }
}

t.test('failed authentications on every route are logged once a minute, and all are counted', async (t) => {
  const { service, clock } = await start(t, { environment: { MAX_FAILED_AUTHENTICATIONS: '60' } })
  const timestamp = String(Math.floor(clock.now() / 1000))
  const kinds: [string, string, string, Record<string, string>, string, string][] = [
    ['POST', '/logout-hook', '/logout-hook', WRONG, 'logout-hook', 'CURFEW_UNAUTHENTICATED'],
    [
      ...(['POST', '/logout-hook', '/logout-hook'] as const),
      { authorization: '', ...SIGNED, 'webhook-timestamp': timestamp },
      ...(['logout-hook', 'CURFEW_SIGNATURE_INVALID'] as const),
    ],
    ['GET', '/revocations', '/revocations', WRONG, 'api', 'CURFEW_UNAUTHENTICATED'],
    ['PUT', '/sessions/ann', '/sessions/:sid', WRONG, 'api', 'CURFEW_UNAUTHENTICATED'],
    ['GET', '/health/ready', '/health/ready', WRONG, 'api', 'CURFEW_UNAUTHENTICATED'],
    [
      ...(['POST', '/sources/vendor/webhook', '/sources/:name/webhook'] as const),
      ...([WRONG, 'vendor', 'CURFEW_SOURCE_UNPROVEN'] as const),
    ],
  ]
  const sent: Record<string, number> = {}
  for (const [method, path, route, headers, source, code] of kinds) {
    const lines = rejectionLines(service).length
    const isKnown = sent[`${source} ${code}`] !== undefined
    for (let count = 0; count < 8; count += 1) await service.call(method, path, { headers })
    sent[`${source} ${code}`] = (sent[`${source} ${code}`] ?? 0) + 8
    const more = rejectionLines(service).slice(lines)
    t.equal(more.length, isKnown ? 0 : 1, `${method} ${path}`)
    if (isKnown) continue
    t.match(more[0], {
      source,
      route: `${method} ${route}`,
      address: '127.0.0.1',
      code,
      action: /./,
      problem: /./,
    })
  }
  t.same(await rejectionCounts(service), sent)

  for (let count = 0; count < 32; count += 1) await service.call('POST', '/logout-hook', { headers: WRONG })
  t.match(rejectionLines(service).at(-1), {
    code: 'CURFEW_TOO_MANY_FAILURES',
    failure: 'CURFEW_UNAUTHENTICATED',
  })
  const counts = await rejectionCounts(service)
  t.equal(
    Object.values(counts).reduce((sum, count) => sum + count),
    80,
    'none is left out of the metric',
  )
  clock.advance(WARNING_EVERY_MS)
  await service.call('POST', '/logout-hook', { headers: WRONG })
  t.match(rejectionLines(service).at(-1), { code: 'CURFEW_UNAUTHENTICATED', leftOut: 7 + 12 })
  t.notMatch(service.logLines.join(''), /a-wrong-key|"ann|sessions\/ann/)
})

t.test('every rejected signal is counted by its code, and logged with its sender', async (t) => {
  const service = await startWithKeys(t, { portal: { roles: ['signal'] }, reader: { roles: ['read'] } })
  const body = { email: 'ann@example.com', tenant: 'nowhere' }
  const cases: [string, object, string][] = [
    ['portal', { body }, 'CURFEW_UNKNOWN_TENANT'],
    ['portal', { body: { emial: 'ann@example.com' } }, 'CURFEW_REQUEST_INVALID'],
    ['portal', { body: '{"email":"ann@example.com"' }, 'CURFEW_BODY_UNREADABLE'],
    ['portal', { body: 'x'.repeat(70_000) }, 'CURFEW_BODY_TOO_LARGE'],
    ['reader', { body }, 'CURFEW_ROLE_REQUIRED'],
  ]
  for (const [name, options, code] of cases) {
    await service.call('POST', '/logout-hook', { ...withKey(name), ...options })
    const last = rejectionLines(service).at(-1)
    t.match(last, { source: 'logout-hook', sender: name, code, route: 'POST /logout-hook' })
  }
  t.same(
    await rejectionCounts(service),
    Object.fromEntries(cases.map(([, , code]) => [`logout-hook ${code}`, 1])),
  )
  t.equal((await service.call('GET', '/revocations/none', withKey('reader'))).status, 404)
  t.equal(rejectionLines(service).length, cases.length, 'an unknown revocation is no rejected signal')
  t.notMatch(rejectionLines(service), /ann@|emial/)
})

t.test('requests for unknown sources and paths are logged, shortened and escaped', async (t) => {
  const { service } = await start(t)
  const post = (path: string) => sendRequest(service.url, 'POST', path)
  for (const [path, named, route] of [
    ['/sources/typo/webhook', 'typo', 'POST /sources/:name/webhook'],
    [`/sources/${'x'.repeat(200)}/webhook`, `${'x'.repeat(63)}...`, 'POST /sources/:name/webhook'],
    ['/sources/%1b%5b2J/webhook', '%1b%5b2J', 'POST /sources/:name/webhook'],
    ['/sources/nobody/nothing?name=secret', 'nobody', 'POST /sources/*'],
    ['/sources/%zz/webhook', '%zz', 'POST /sources/*'],
  ] as const) {
    const before = rejectionLines(service).length
    const { status } = await post(path)
    t.ok(status === 404 || status === 400, path)
    const [line, ...others] = rejectionLines(service).slice(before)
    t.match(line, { source: 'unknown', named, route, address: '127.0.0.1' }, path)
    t.same(others, [])
  }
  t.match(await rejectionCounts(service), {
    'unknown CURFEW_NOT_FOUND': 4,
    'unknown CURFEW_REQUEST_INVALID': 1,
  })
  t.equal((await post('/sources/vendor/events')).status, 404)
  t.equal((await post('/sources/vendor/web-hook')).status, 404)
  t.match(rejectionLines(service).at(-1), { source: 'vendor', code: 'CURFEW_NOT_FOUND', named: undefined })
  t.match(await rejectionCounts(service), { 'vendor CURFEW_NOT_FOUND': 2 })
  t.equal((await post('/wp-login.php')).status, 404)
  t.equal(rejectionLines(service).length, 6, 'other paths are not about senders')
  t.notMatch(service.logLines.join(''), /secret|wp-login/)
})

t.test('many addresses cannot flood the log, nor hide a sender', async (t) => {
  const { service } = await start(t, { environment: { TRUST_PROXY: 'loopback' } })
  const from = (address: string, path = '/logout-hook') =>
    service.call('POST', path, { headers: { ...WRONG, 'x-forwarded-for': address } })
  await from('198.51.100.1')
  await from('198.51.100.2')
  t.equal(rejectionLines(service).length, 2, 'each address has its line')
  await from('2001:db8::1')
  await from('2001:db8::2')
  t.equal(rejectionLines(service).length, 3, 'addresses of a /64 network share one')
  for (let index = 0; index < MAX_ADDRESSES + 50; index += 1) await from(`192.0.2.${index}`)
  t.equal(rejectionLines(service).length, MAX_ADDRESSES)
  await from('203.0.113.1', '/sources/vendor/webhook')
  t.match(rejectionLines(service).at(-1), { source: 'vendor', address: '203.0.113.1' })
  await from(`\u00e9${'x'.repeat(9_000)}`, '/sources/other/webhook')
  for (const { address = '' } of rejectionLines(service)) t.match(address, /^[\x20-\x7e]{1,80}$/)
})
