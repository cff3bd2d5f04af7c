import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { nextCall } from '../support/events.ts'
import { type Service, startService } from '../support/service.ts'

async function untilAttempt(service: Service, id: string, attempts: number) {
  for (;;) {
    const { json } = await service.call('GET', `/revocations/${id}`)
    if (json.status === 'queued' && json.attempts >= attempts) return json
  }
}

t.test('a token still listed after its 204 is no success, whatever the number of attempts', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, random: () => 0.999, sandbox: { now: clock.now } })
  const { tenant } = service.sandbox
  const user = service.userWithTokens(1)
  const [token] = tenant.tokensOf(user.id)
  const order = tenant.order({
    kind: 'status',
    status: 204,
    route: 'revoke',
    times: Number.POSITIVE_INFINITY,
  })
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  const detail = new RegExp(`a minute after .*${token?.id}`)
  let shown = json
  while (!detail.test(shown.error?.detail ?? '')) {
    t.match(shown, { outcome: null, verified: false })
    clock.advance(500)
    shown = (await service.call('GET', `/revocations/${json.id}`)).json
  }
  t.match(shown, { error: { code: 'CURFEW_TOKENS_REMAIN' }, tokens: { revoked: 0, remaining: 1 } })
  order.cancel()
  while (!shown.verified) {
    clock.advance(500)
    shown = (await service.call('GET', `/revocations/${json.id}`)).json
  }
  t.match(shown, { verified: true, tokens: { found: 1, revoked: 1, remaining: 0 } })
})

t.test('a token that cannot be revoked does not keep the others alive', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, {
    clock,
    environment: { REVOKE_CONCURRENCY: '1' },
    sandbox: { now: clock.now },
  })
  const { tenant } = service.sandbox
  const user = service.userWithTokens(4)
  tenant.order({ kind: 'status', status: 500, route: 'revoke' })
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  t.match(await untilAttempt(service, json.id, 1), { tokens: { revoked: 3, remaining: 1 } })
  t.equal(tenant.tokensOf(user.id).length, 1)
})

t.test('an empty list is not trusted after the role is withdrawn', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, sandbox: { now: clock.now } })
  const { tenant } = service.sandbox
  t.match(await service.revoke({ userId: service.userWithTokens(1).id }), { verified: true })
  tenant.users.get(service.client.userId)?.roles.pop()
  clock.advance(10_001)
  const user = service.userWithTokens(3)
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  t.match(await untilAttempt(service, json.id, 1), {
    outcome: null,
    verified: false,
    error: { code: 'CURFEW_CLIENT_NOT_ADMIN' },
  })
})

t.test('a security signal overtakes a run of the same user that waits for the budget', async (t) => {
  const service = await startService(t, {
    sandbox: { tier2Limit: 4, windowMs: 1_500 },
    environment: { QLIK_TIER2_LIMIT: '4', QLIK_RATE_WINDOW_MS: '1500' },
  })
  const { tenant } = service.sandbox
  const user = service.userWithTokens(5)
  const body = { userId: user.id, reason: 'session-expired' }
  const slow = await service.call('POST', '/logout-hook', { body })
  await nextCall(service.sandbox, () => tenant.tokensOf(user.id).length === 2)
  const urgent = await service.call('POST', `/users/${user.id}/revoke-all`)
  t.not(urgent.json.id, slow.json.id)
  const ended = await service.settled(urgent.json.id)
  t.match(ended, { id: slow.json.id, reason: 'security', scope: 'all', attempts: 1 }, 'the two have joined')
  t.match(ended, { status: 'completed', verified: true, tokens: { revoked: 5 } })
})

t.test('setting the clock back does not delay waiting revocations', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, { clock, random: () => 0.999 })
  service.sandbox.tenant.order({ kind: 'status', status: 503, route: 'list' })
  const user = service.userWithTokens(1)
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  await untilAttempt(service, json.id, 1)
  clock.jump(-3_600_000)
  clock.advance(1_000)
  t.match(await service.ended(json.id), { status: 'completed', attempts: 2 })
})
