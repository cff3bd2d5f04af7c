import t from 'tap'
import type { Fault } from '../../src/sandbox/faults.ts'
import { startService } from '../support/service.ts'

const STEPS = ['token', 'me', 'users', 'list', 'revoke'] as const

/** Transient faults: whichever step they hit, the revocation ends completed and verified. */
const PASSING: Fault[] = [
  { kind: 'status', status: 500 },
  { kind: 'status', status: 502 },
  { kind: 'status', status: 503, headers: { 'retry-after': '1' } },
  { kind: 'status', status: 404, route: 'token' },
  { kind: 'status', status: 401 },
  { kind: 'reset' },
  { kind: 'reset', takesEffect: true },
  { kind: 'hang' },
  { kind: 'broken-json' },
  { kind: 'wrong-schema' },
  { kind: 'redirect' },
  { kind: 'trickle', intervalMs: 40 },
  { kind: 'huge-body', bytes: 5 * 1024 * 1024 },
  { kind: 'rate-limited', seconds: 1 },
]

for (const route of STEPS) {
  t.test(`a transient fault at ${route} does not keep a user's tokens alive`, async (t) => {
    for (const fault of PASSING.filter((fault) => (fault.route ?? route) === route)) {
      const service = await startService(t, { random: () => 0, environment: { QLIK_TIMEOUT_MS: '250' } })
      const { tenant } = service.sandbox
      const user = service.userWithTokens(3, { email: 'ann@example.com' })
      const other = service.userWithTokens(1)
      const order = tenant.order({ ...fault, route })
      const ended = await service.revoke({ email: 'ann@example.com' })
      const name = JSON.stringify(fault)
      t.match(ended, { status: 'completed', verified: true, error: null, tokens: { remaining: 0 } }, name)
      // If the response to an effective delete is lost, the delete cannot be counted.
      t.ok(ended.tokens.revoked + ended.tokens.alreadyGone >= 2, name)
      t.same([tenant.tokensOf(user.id).length, tenant.tokensOf(other.id).length], [0, 1], name)
      t.equal(order.applied, 1, `${name} was hit`)
    }
  })
}

t.test('all tokens are revoked although every third call fails', async (t) => {
  const service = await startService(t, { random: () => 0 })
  const user = service.userWithTokens(120)
  for (let after = 10; after < 60; after += 3) {
    service.sandbox.tenant.order({ kind: 'status', status: 503, route: 'revoke', after })
  }
  const ended = await service.revoke({ userId: user.id })
  t.match(ended, { status: 'completed', verified: true, tokens: { revoked: 120 } })
  t.ok(ended.attempts < 10, 'fewer attempts than failures')
})

t.test('403 and 400 fail with an action to take, and a manual retry completes', async (t) => {
  for (const [status, code] of [
    [403, 'CURFEW_QLIK_FORBIDDEN'],
    [400, 'CURFEW_QLIK_REJECTED'],
  ] as const) {
    for (const route of ['list', 'revoke'] as const) {
      const service = await startService(t)
      const user = service.userWithTokens(2)
      service.sandbox.tenant.order({ kind: 'status', status, route, times: route === 'list' ? 1 : 2 })
      const ended = await service.revoke({ userId: user.id })
      t.match(ended, { status: 'failed', verified: false, attempts: 1, error: { code, action: String } })
      const { status: answer, headers } = await service.call('POST', `/revocations/${ended.id}/retry`)
      t.same([answer, headers.get('location')], [202, `/revocations/${ended.id}`])
      t.match(await service.settled(ended.id), { status: 'completed', verified: true, error: null })
    }
  }
})

t.test('a revoked or expired access token is renewed during the run, once for all calls', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  t.match(await service.revoke({ userId: service.userWithTokens(1).id }), { status: 'completed' })
  tenant.expireAccessTokens(service.client.id)
  t.match(await service.revoke({ userId: service.userWithTokens(20).id }), {
    attempts: 1,
    tokens: { revoked: 20 },
  })
  t.equal(tenant.calls.filter(({ route }) => route === 'token').length, 2)
})

t.test('refused credentials are reported and retried, and work again once fixed', async (t) => {
  const service = await startService(t, { random: () => 0.02 })
  const { tenant } = service.sandbox
  const user = service.userWithTokens(1)
  const order = tenant.order({ kind: 'status', status: 401, route: 'token', times: Number.POSITIVE_INFINITY })
  tenant.expireAccessTokens(service.client.id)
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  let waiting = json
  while (waiting.error === null) waiting = (await service.call('GET', `/revocations/${json.id}`)).json
  t.match(waiting, { verified: false, error: { code: 'CURFEW_QLIK_UNAUTHORIZED' } })
  order.cancel()
  t.match(await service.settled(json.id), { status: 'completed', verified: true, error: null })
})

t.test('an unreachable tenant fails the revocation after 24 hours, not before', async (t) => {
  const { fakeClock } = await import('../support/clock.ts')
  const clock = fakeClock()
  const service = await startService(t, { clock, random: () => 0.999 })
  const user = service.userWithTokens(1)
  service.sandbox.tenant.order({
    kind: 'status',
    status: 503,
    times: Number.POSITIVE_INFINITY,
    route: 'list',
  })
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  const start = clock.now()
  let current = json
  while (current.status !== 'failed') {
    if (current.status === 'queued' && current.nextAttemptAt) {
      clock.advance(Math.max(0, Date.parse(current.nextAttemptAt) - clock.now()))
    }
    current = (await service.call('GET', `/revocations/${json.id}`)).json
  }
  const hours = (clock.now() - start) / 3_600_000
  t.ok(hours > 23.8 && hours <= 24, `${hours} hours`)
  t.match(current, { verified: false, error: { code: 'CURFEW_QLIK_UNAVAILABLE' } })
  t.ok(current.attempts > 280, 'at most five minutes apart')
})
