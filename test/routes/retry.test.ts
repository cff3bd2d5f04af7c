import t, { type Test } from 'tap'
import { fakeClock } from '../support/clock.ts'
import { nextCall } from '../support/events.ts'
import { isProblem } from '../support/problems.ts'
import { type Service, startService } from '../support/service.ts'

const retry = ({ call }: Service, id: string) => call('POST', `/revocations/${id}/retry`)

async function startWithStandingClock(t: Test) {
  const clock = fakeClock()
  return { clock, service: await startService(t, { clock, sandbox: { now: clock.now }, random: () => 1 }) }
}

/** Polls until the revocation waits for its next attempt. */
async function untilWaiting({ call }: Service, id: string) {
  for (;;) {
    const { json } = await call('GET', `/revocations/${id}`)
    if (json.nextAttemptAt !== null) return json
  }
}

t.test('a failed revocation is retried, and its tokens are counted once', async (t) => {
  const service = await startService(t)
  service.userWithTokens(3, { id: 'u1' })
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'revoke', after: 1, times: 2 })
  const failed = await service.revoke({ userId: 'u1' })
  t.match(failed, { status: 'failed', error: { code: 'CURFEW_QLIK_FORBIDDEN', action: /TenantAdmin/ } })

  const { status, headers, json } = await retry(service, failed.id)
  t.equal(status, 202)
  t.equal(headers.get('location'), `/revocations/${failed.id}`)
  t.match(json, { id: failed.id, status: 'queued', outcome: null, completedAt: null })
  const ended = await service.settled(failed.id)
  t.match(ended, {
    status: 'completed',
    verified: true,
    error: null,
    attempts: 2,
    tokens: { revoked: 3, found: 3 },
  })
  t.match((await service.call('GET', '/metrics')).text, /curfew_tokens_revoked_total\{tenant="default"\} 3\n/)
})

t.test('a verified revocation needs no retry', async (t) => {
  const service = await startService(t)
  service.userWithTokens(0, { id: 'u1' })
  const { id } = await service.revoke({ userId: 'u1' })
  isProblem(t, await retry(service, id), 'CURFEW_NOT_RETRYABLE')
  t.match((await service.call('GET', `/revocations/${id}`)).json, { status: 'completed', attempts: 1 })
})

t.test('a revocation that waits for its next attempt starts at once', async (t) => {
  const { service } = await startWithStandingClock(t)
  service.userWithTokens(1, { id: 'u1' })
  service.sandbox.tenant.order({ kind: 'status', status: 500, route: 'list' })
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: 'u1' } })
  const waiting = await untilWaiting(service, json.id)
  t.match(waiting, { status: 'queued', attempts: 1, error: { code: 'CURFEW_QLIK_UNAVAILABLE' } })
  t.equal(waiting.estimatedCompletionAt, waiting.nextAttemptAt)
  const answer = await retry(service, json.id)
  t.equal(answer.status, 202)
  t.equal(answer.json.nextAttemptAt, null)
  t.match(await service.ended(json.id), { status: 'completed', attempts: 2, tokens: { revoked: 1 } })
})

t.test('a running revocation is not changed', async (t) => {
  const { service, clock } = await startWithStandingClock(t)
  const asked = nextCall(service.sandbox, ({ route }) => route === 'list', 'arrived')
  service.sandbox.tenant.order({ kind: 'hang', route: 'list' })
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: 'u1' } })
  await asked
  const answer = await retry(service, json.id)
  t.equal(answer.status, 202)
  t.match(answer.json, { id: json.id, status: 'running', attempts: 1 })
  clock.advance(10_000)
  t.match(await untilWaiting(service, json.id), { error: { code: 'CURFEW_QLIK_UNAVAILABLE' } })
})

t.test('an unverified revocation is retried, because the client may see more by now', async (t) => {
  const service = await startService(t, { client: { admin: false, rolesReported: false } })
  const { id, ...ended } = await service.revoke({ userId: 'u1' })
  t.match(ended, { status: 'completed', outcome: 'none-visible', verified: false })
  const user = service.sandbox.tenant.addUser({ id: 'u1' })
  service.sandbox.tenant.issueTokens(user.id, 1, { issuedAt: Date.now() - 60_000 })
  service.sandbox.tenant.users.get(service.client.userId)?.roles.push('TenantAdmin')
  t.equal((await retry(service, id)).status, 202)
  t.match(await service.settled(id), { outcome: 'revoked', verified: true })
  t.same(service.sandbox.tenant.tokensOf(user.id), [])
})
