import t from 'tap'
import { preferredWait } from '../../src/http/prefer.ts'
import { fakeClock } from '../support/clock.ts'
import { nextCall } from '../support/events.ts'
import { type Service, startService } from '../support/service.ts'
import { signed } from '../support/webhook.ts'

const AT_A_TIME = 50

t.test('the header sets the wait, up to 30 s; unknown values are ignored', async (t) => {
  const cases: [string | string[] | undefined, number | null][] = [
    ['wait=5', 5],
    ['Wait = 5', 5],
    ['wait="5"', 5],
    ['wait=0', 0],
    ['wait=30', 30],
    ['wait=31', 30],
    ['wait=999999999', 30],
    ['wait=99999999999', 30],
    [`wait=${'9'.repeat(400)}`, 30],
    ['respond-async, wait=5', 5],
    ['respond-async; x=y, wait=5; z', 5],
    [['respond-async', 'wait=5'], 5],
    ['wait=5, wait=9', 5],
    ['respond-async', null],
    ['wait', null],
    ['wait=', null],
    ['wait=soon', null],
    ['wait=-5', null],
    ['wait=1.5', null],
    ['wait=5s', null],
    ['await=5', null],
    ['handling=lenient', null],
    ['', null],
    [undefined, null],
  ]
  for (const [header, seconds] of cases) t.equal(preferredWait(header), seconds, `${header}`)
})

t.test('a revocation that ends in time is returned finished', async (t) => {
  const service = await startService(t)
  service.userWithTokens(2, { id: 'u1' })
  service.userWithTokens(2, { id: 'u2' })
  const body = '{"userId":"u1"}'
  for (const [path, options] of [
    ['/logout-hook', { body, headers: { ...signed(body), prefer: 'respond-async, wait=60' } }],
    ['/users/u2/revoke-all', { headers: { prefer: 'wait=30' } }],
  ] as const) {
    const { status, headers, json } = await service.call('POST', path, options)
    t.equal(status, 200)
    t.equal(headers.get('preference-applied'), 'wait=30')
    t.equal(headers.get('location'), `/revocations/${json.id}`)
    t.match(json, { status: 'completed', verified: false, tokens: { revoked: 2 } })
    const { text } = await service.call('GET', `/revocations/${json.id}`)
    t.equal(text, JSON.stringify(json))
  }
})

t.test('a revocation that fails in time is returned, too', async (t) => {
  const service = await startService(t)
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'list' })
  const headers = { prefer: 'wait=30' }
  const { status, json } = await service.call('POST', '/logout-hook', { body: { userId: 'u1' }, headers })
  t.equal(status, 200)
  t.match(json, { status: 'failed', error: { code: 'CURFEW_QLIK_FORBIDDEN' } })
})

/** A service whose tenant does not answer lists, with a listener for those that arrive. */
async function withHangingTenant(t: Parameters<typeof startService>[0]) {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  service.sandbox.tenant.order({ kind: 'hang', route: 'list', times: Number.POSITIVE_INFINITY })
  const asked = nextCall(service.sandbox, ({ route }) => route === 'list', 'arrived')
  return { clock, service, asked }
}

t.test('a revocation that does not end in time is returned in its current state', async (t) => {
  const { clock, service, asked } = await withHangingTenant(t)
  const headers = { prefer: 'wait=5' }
  const answer = service.call('POST', '/logout-hook', { body: { userId: 'u1' }, headers })
  await asked
  clock.advance(5_000)
  const { status, json, headers: answered } = await answer
  t.equal(status, 202)
  t.equal(answered.get('preference-applied'), 'wait=5')
  t.match(json, { status: 'running', attempts: 1 })
  const now = await service.call('GET', `/revocations/${json.id}`, { headers: { prefer: 'wait=0' } })
  t.equal(now.status, 200)
  t.equal(now.headers.get('preference-applied'), 'wait=0')
  t.match(now.json, { status: 'running' })
})

t.test('reading a finished revocation takes no slot from waiting callers', async (t) => {
  const service = await startService(t)
  const { id } = await service.revoke({ userId: 'u1' })
  const headers = { prefer: 'wait=30' }
  // More than may wait, a few at a time: a busy machine resets some of a thousand new connections.
  for (let looks = 0; looks < 1_001; looks += AT_A_TIME) {
    const replies = Array.from({ length: AT_A_TIME }, () =>
      service.call('GET', `/revocations/${id}`, { headers }),
    )
    t.ok((await Promise.all(replies)).every(({ status }) => status === 200))
  }
  const { status } = await service.call('POST', '/logout-hook', { body: { userId: 'u2' }, headers })
  t.equal(status, 200)
})

t.test('without a valid wait the response is immediate', async (t) => {
  const { service } = await withHangingTenant(t)
  const preferences = [undefined, 'respond-async', 'wait=soon', 'wait=-1', ',;=']
  for (const prefer of preferences) {
    const { status, headers } = await post(service, prefer)
    t.equal(status, 202, `${prefer}`)
    t.equal(headers.get('preference-applied'), null)
  }
})

function post({ call }: Service, prefer: string | undefined) {
  const headers: Record<string, string> = prefer === undefined ? {} : { prefer }
  return call('POST', '/logout-hook', { body: { userId: 'u1' }, headers })
}
