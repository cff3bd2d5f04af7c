import t from 'tap'
import type { SandboxUser } from '../../src/sandbox/tenant.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { fakeClock } from '../support/clock.ts'
import { nextCall } from '../support/events.ts'
import { type Service, startService } from '../support/service.ts'
import { aSignal } from '../support/signals.ts'

const logout = (service: Service, { id }: SandboxUser, more: object = {}) =>
  service.call('POST', '/logout-hook', { body: { userId: id, ...more } })

t.test('signals for a user join the waiting revocation, or create a new one while one runs', async (t) => {
  const service = await startService(t, { environment: { QLIK_TIMEOUT_MS: '60000' } })
  const { tenant } = service.sandbox
  const user = service.userWithTokens(2)
  const hanging = tenant.order({ kind: 'hang', route: 'revoke' })
  const running = (await logout(service, user)).json
  await nextCall(service.sandbox, ({ route }) => route === 'revoke', 'arrived')
  const queued = (await logout(service, user, { reason: 'session-expired' })).json
  t.not(queued.id, running.id)
  const joined = (await logout(service, user, { scope: 'all' })).json
  t.match(joined, { id: queued.id, status: 'queued', reason: 'logout', scope: 'all' })
  t.match((await service.call('GET', `/revocations/${running.id}`)).json, {
    status: 'running',
    reason: 'logout',
  })
  t.equal((await service.call('GET', '/revocations')).json.items.length, 2)
  t.equal(hanging.applied, 1)
})

t.test('a revocation created while another runs sees newer tokens, and both end separately', async (t) => {
  const service = await startService(t, { sandbox: { latencyMs: 5 } })
  const { tenant } = service.sandbox
  const user = service.userWithTokens(40)
  const first = (await logout(service, user)).json
  await nextCall(service.sandbox, ({ route }) => route === 'revoke')
  tenant.issueTokens(user.id, 5)
  const second = (await logout(service, user)).json
  t.not(second.id, first.id)
  const ended = await Promise.all([service.settled(first.id), service.settled(second.id)])
  t.match(ended, [{ verified: true }, { verified: true }])
  t.equal(ended[0].tokens.revoked + ended[1].tokens.revoked, 45)
  t.equal(tenant.tokensOf(user.id).length, 0)
})

t.test('many users are revoked in parallel, within the concurrency limit', async (t) => {
  const service = await startService(t, {
    sandbox: { latencyMs: 25 },
    environment: { REVOKE_CONCURRENCY: '4' },
  })
  let underWay = 0
  let most = 0
  service.sandbox.tenant.onCall((phase, { route }) => {
    if (route !== 'revoke') return
    underWay += phase === 'arrived' ? 1 : -1
    most = Math.max(most, underWay)
  })
  const users = Array.from({ length: 30 }, () => service.userWithTokens(3))
  const body = { users: users.map(({ id }) => ({ userId: id })) }
  const { json } = await service.call('POST', '/revocations', { body })
  const ids: string[] = json.items.map(({ revocation }: { revocation: { id: string } }) => revocation.id)
  const ended = await Promise.all(ids.map((id) => service.settled(id)))
  t.equal(ended.filter(({ verified }) => verified).length, 30)
  t.equal(most, 4)
})

t.test('a client without the role completes nothing until it has it', async (t) => {
  const clock = fakeClock()
  const service = await startService(t, {
    clock,
    random: () => 0.99,
    sandbox: { now: clock.now },
    client: { admin: false },
  })
  const { tenant } = service.sandbox
  const user = service.userWithTokens(2)
  const { json } = await logout(service, user)
  let waiting = json
  while (waiting.error === null) waiting = (await service.call('GET', `/revocations/${json.id}`)).json
  t.match(waiting, { outcome: null, verified: false, error: { code: 'CURFEW_CLIENT_NOT_ADMIN' } })
  t.equal((await service.call('GET', '/health/ready')).status, 503)
  tenant.users.get(service.client.userId)?.roles.push('TenantAdmin')
  const ended = service.settled(json.id)
  const meAgain = nextCall(service.sandbox, ({ route }) => route === 'me')
  clock.advance(60_000)
  await meAgain
  t.match(await ended, { status: 'completed', verified: true, tokens: { revoked: 2 } })
  t.equal((await service.call('GET', '/health/ready')).status, 200)
})

t.test('if Qlik reports no roles, an empty list is no proof, and a token of another user is', async (t) => {
  const service = await startService(t, { client: { rolesReported: false } })
  const nobody = service.userWithTokens(0)
  const unverified = { status: 'completed', outcome: 'none-visible', verified: false }
  t.match(await service.revoke({ userId: nobody.id }), unverified)
  t.match(await service.revoke({ email: 'no@example.com' }), unverified)
  t.match((await service.call('GET', '/health/ready')).json, {
    status: 'ready',
    checks: [{}, {}, { name: 'tenant:default', status: 'warning' }],
  })
  const [user] = [service.userWithTokens(1), service.userWithTokens(1)]
  t.match(await service.revoke({ userId: user.id }), { outcome: 'revoked', verified: true })
  t.match(await service.revoke({ userId: nobody.id }), { outcome: 'nothing-to-revoke', verified: true })
  t.match(await service.revoke({ email: 'no2@example.com' }), {
    outcome: 'no-matching-user',
    verified: false,
  })
})

t.test(
  'a client without the role and without reported roles sees only its own tokens: nothing is proven',
  async (t) => {
    const service = await startService(t, { client: { admin: false, rolesReported: false } })
    const user = service.userWithTokens(2)
    const ended = await service.revoke({ userId: user.id })
    t.match(ended, { outcome: 'none-visible', verified: false })
    t.equal(service.sandbox.tenant.tokensOf(user.id).length, 2)
    t.equal((await service.call('POST', `/revocations/${ended.id}/retry`)).status, 202, 'it can be retried')
  },
)

t.test('revocations of an unconfigured tenant wait for it, and report so', async (t) => {
  const service = await startService(t)
  await service.app.close()
  const { DATABASE_URL = '' } = service.environment
  const store = openSqliteStore(DATABASE_URL.replace('sqlite:', ''))
  const { revocations } = await store.accept([aSignal({ tenant: 'gone' })], null, Date.now())
  await store.close()
  const clock = fakeClock()
  const environment = { DATABASE_URL }
  const again = await startService(t, { share: service, environment, clock, random: () => 0.99 })
  const path = `/revocations/${revocations[0]?.id}`
  let { json } = await again.call('GET', path)
  while (json.error === null) json = (await again.call('GET', path)).json
  t.match(json, { status: 'queued', error: { code: 'CURFEW_UNKNOWN_TENANT' }, nextAttemptAt: /./ })
})
