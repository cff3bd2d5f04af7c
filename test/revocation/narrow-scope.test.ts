import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { nextCall } from '../support/events.ts'
import { openRuns } from '../support/runs.ts'
import { type Service, startService } from '../support/service.ts'

async function untilWaiting({ call }: Service, id: string) {
  for (;;) {
    const { json } = await call('GET', `/revocations/${id}`)
    if (json.nextAttemptAt !== null || json.status === 'completed') return json
  }
}

t.test(
  'a client granted less than requested is not ready, and nothing is trusted until it is granted',
  async (t) => {
    const clock = fakeClock()
    const service = await startService(t, {
      clock,
      sandbox: { now: clock.now },
      client: { grantedScope: 'user_default' },
      random: () => 1,
    })
    const { tenant } = service.sandbox
    const user = service.userWithTokens(3)
    const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
    t.match(await untilWaiting(service, json.id), {
      outcome: null,
      verified: false,
      error: { code: 'CURFEW_SCOPE_TOO_NARROW', detail: /"user_default"/, action: /admin_classic/ },
    })
    t.equal(tenant.tokensOf(user.id).length, 3)
    const ready = await service.call('GET', '/health/ready')
    t.equal(ready.status, 503)
    t.match(
      ready.json.checks.find(({ name }: { name: string }) => name === 'tenant:default'),
      {
        status: 'failed',
        detail: /^Qlik Cloud granted .*Allow the scope admin_classic.* Granted scope: "user_default"\.$/,
      },
    )
    const dryRun = await service.call('POST', `/users/${user.id}/revoke-all?dryRun=true`)
    t.match(dryRun.json, { status: 502, code: 'CURFEW_SCOPE_TOO_NARROW' })

    tenant.changeClient(service.client.id, { grantedScope: null })
    clock.advance(30_000)
    t.match(await service.ended(json.id), { outcome: 'revoked', verified: true, tokens: { revoked: 3 } })
    t.same(tenant.tokensOf(user.id), [])
    t.equal((await service.call('GET', '/health/ready')).status, 200)
  },
)

t.test('a response of the token endpoint without a scope grants what was requested', async (t) => {
  const runs = await openRuns(t, { client: { answeredScope: 'none' } })
  const user = runs.userWithTokens(1)
  t.match(await runs.run(runs.revocation({ userId: user.id })), {
    ended: 'completed',
    proof: { scope: 'admin_classic', client: runs.client.id },
  })
})

t.test('a configured scope without admin_classic is too narrow, too', async (t) => {
  const runs = await openRuns(t, { scope: 'user_default' })
  const user = runs.userWithTokens(1)
  const result = await runs.run(runs.revocation({ userId: user.id }))
  t.match(result, { ended: 'stopped', error: { code: 'CURFEW_SCOPE_TOO_NARROW' } })
})

t.test('a list requested with a narrow scope is no proof, whatever is granted afterwards', async (t) => {
  const runs = await openRuns(t)
  const user = runs.userWithTokens(2)
  const { tenant } = runs.sandbox
  t.match(await runs.run(runs.revocation({ userId: runs.userWithTokens(1).id })), { ended: 'completed' })
  // The access token expires. The next one has a narrow scope, so its list is empty. The one after that is not
  // narrow.
  tenant.changeClient(runs.client.id, { grantedScope: 'user_default' })
  tenant.expireAccessTokens(runs.client.id)
  nextCall(runs.sandbox, ({ route, status }) => route === 'list' && status === 200).then(() => {
    tenant.changeClient(runs.client.id, { grantedScope: null })
    tenant.expireAccessTokens(runs.client.id)
  })
  const result = await runs.run(runs.revocation({ userId: user.id }))
  t.match(result, {
    ended: 'completed',
    outcome: 'revoked',
    tokens: { revoked: 2 },
    proof: { scope: 'admin_classic' },
  })
  t.same(tenant.tokensOf(user.id), [])
})
