import t from 'tap'
import { nextCall } from '../support/events.ts'
import { openRuns } from '../support/runs.ts'
import { startService } from '../support/service.ts'

t.test('tokens on several pages are all found, revoked and verified', async (t) => {
  const service = await startService(t)
  const user = service.userWithTokens(250)
  const ended = await service.revoke({ userId: user.id })
  t.match(ended, { outcome: 'revoked', verified: true, tokens: { found: 250, revoked: 250, remaining: 0 } })
  t.equal(service.sandbox.tenant.tokensOf(user.id).length, 0)
  const { calls } = service.sandbox.tenant
  t.equal(calls.filter(({ route }) => route === 'token').length, 1, 'one access token for the whole run')
  const last = calls.filter(({ route }) => route === 'list' || route === 'revoke').at(-1)
  t.equal(last?.route, 'list', 'the last call is a list')
})

t.test('a user without tokens and an unknown user complete with their own outcomes', async (t) => {
  const service = await startService(t)
  const user = service.userWithTokens(0)
  const nothing = { status: 'completed', tokens: { found: 0 } }
  const nobody = { ...nothing, outcome: 'no-matching-user', verified: false }
  t.match(await service.revoke({ userId: user.id }), { ...nothing, outcome: 'nothing-to-revoke' })
  t.match(await service.revoke({ email: 'nobody@example.com' }), nobody)
  t.match(await service.revoke({ subject: 'nobody' }), nobody)
})

t.test('a logout keeps tokens issued after it, and revokes ids that hold no time', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  const user = service.userWithTokens(0)
  const at = Date.now() - 60_000
  tenant.issueTokens(user.id, 2, { issuedAt: at - 3_600_000 })
  tenant.issueTokens(user.id, 1, { issuedAt: at + 4_000 })
  tenant.issueTokens(user.id, 1, { idForm: 'opaque' })
  const [later] = tenant.issueTokens(user.id, 1, { issuedAt: at + 7_000 })
  const ended = await service.revoke({ userId: user.id, occurredAt: new Date(at).toISOString() })
  t.match(ended, {
    outcome: 'revoked',
    verified: true,
    tokens: { found: 5, revoked: 4, kept: 1, remaining: 0 },
  })
  t.same(tenant.tokensOf(user.id), [later])
})

t.test("issue times are compared with the signal's time by the tenant's clock", async (t) => {
  for (const clockSkewMs of [-3_600_000, 3_600_000]) {
    const service = await startService(t, { sandbox: { clockSkewMs } })
    const { tenant } = service.sandbox
    const user = service.userWithTokens(0)
    const at = tenant.now()
    tenant.issueTokens(user.id, 1, { issuedAt: at - 30_000 })
    const [later] = tenant.issueTokens(user.id, 1, { issuedAt: at + 20_000 })
    t.match(await service.revoke({ userId: user.id }), { tokens: { revoked: 1, kept: 1 } }, `${clockSkewMs}`)
    t.same(tenant.tokensOf(user.id), [later])
  }
})

t.test('security revokes all tokens, even later ones; a device type narrows the scope', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  const user = service.userWithTokens(1)
  tenant.issueTokens(user.id, 1, { issuedAt: Date.now() + 60_000 })
  tenant.issueTokens(user.id, 2, { deviceType: 'Phone' })
  const phones = await service.revoke({ userId: user.id, reason: 'security', deviceType: 'Phone' })
  t.match(phones, { scope: 'all', tokens: { revoked: 2, kept: 2 } })
  t.match(await service.revoke({ userId: user.id, reason: 'security' }), { tokens: { revoked: 2, kept: 0 } })
  t.equal(tenant.tokensOf(user.id).length, 0)
})

t.test('a user who logs in again during the revocation keeps the new tokens', async (t) => {
  const service = await startService(t, { environment: { REVOKE_CONCURRENCY: '1' } })
  const { tenant } = service.sandbox
  const user = service.userWithTokens(3)
  let again: ReturnType<typeof tenant.issueTokens> = []
  nextCall(service.sandbox, ({ route }) => route === 'revoke').then(() => {
    again = tenant.issueTokens(user.id, 2, { issuedAt: tenant.now() + 7_000 })
  })
  t.match(await service.revoke({ userId: user.id }), { verified: true, tokens: { revoked: 3, kept: 2 } })
  t.same(tenant.tokensOf(user.id), again)
})

t.test('tokens issued before the signal but listed later are revoked as well', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  const user = service.userWithTokens(2)
  nextCall(service.sandbox, ({ route }) => route === 'revoke').then(() => tenant.issueTokens(user.id, 3))
  t.match(await service.revoke({ userId: user.id }), { verified: true, tokens: { revoked: 5, remaining: 0 } })
})

t.test('a token that disappears by itself counts as already gone, with 404 and with 204', async (t) => {
  const service = await startService(t, { environment: { REVOKE_CONCURRENCY: '1' } })
  const user = service.userWithTokens(2)
  service.sandbox.tenant.order({ kind: 'status', status: 404, route: 'revoke', takesEffect: true })
  t.match(await service.revoke({ userId: user.id }), { tokens: { found: 2, revoked: 1, alreadyGone: 1 } })
})

t.test(
  'all users with exactly this name lose their tokens; a name that differs in case logs nobody out',
  async (t) => {
    const service = await startService(t)
    const { tenant } = service.sandbox
    const twins = [1, 2].map((count) => service.userWithTokens(count, { email: 'twin@example.com' }))
    t.match(await service.revoke({ email: 'twin@example.com' }), { verified: true, tokens: { revoked: 3 } })
    const kim = [service.userWithTokens(1, { subject: 'Kim' }), service.userWithTokens(1, { subject: 'kim' })]
    const ambiguous = await service.revoke({ subject: 'kim' })
    t.match(ambiguous, { status: 'failed', verified: false, error: { code: 'CURFEW_AMBIGUOUS_USER' } })
    t.same(
      [...twins, ...kim].map(({ id }) => tenant.tokensOf(id).length),
      [0, 0, 1, 1],
    )
  },
)

t.test("Curfew's own user is spared unless requested by id, and then its newest token stays", async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  const { userId, id } = service.client
  const bySubject = await service.revoke({ subject: `qlikbot\\${id}` })
  t.match(bySubject, { status: 'failed', error: { code: 'CURFEW_OWN_USER' } })
  tenant.issueTokens(userId, 2, { issuedAt: Date.now() - 60_000 })
  const byId = await service.revoke({ userId, reason: 'security' })
  t.match(byId, { status: 'completed' })
  t.equal(byId.verified, byId.tokens.undecided === 0, 'its newest token may be from the second of the signal')
  t.equal(tenant.tokensOf(userId).filter(({ issuedAt }) => issuedAt < Date.now() - 30_000).length, 0)
  const other = service.userWithTokens(1)
  t.match(await service.revoke({ userId: other.id }), { status: 'completed', tokens: { revoked: 1 } })
})

t.test('endless pages do not lead to a false result: the next attempt verifies', async (t) => {
  const service = await startService(t, { random: () => 0 })
  const user = service.userWithTokens(150)
  service.sandbox.tenant.order({ kind: 'endless-next', route: 'list' })
  const ended = await service.revoke({ userId: user.id })
  t.match(ended, { status: 'completed', verified: true, tokens: { revoked: 150, remaining: 0 } })
})

t.test('a listing made before the machine slept does not count as one made after it', async (t) => {
  let onListed = () => {}
  const runs = await openRuns(t, { sandbox: { lagAfterIssueMs: 3_000 }, onProgress: () => onListed() })
  const { tenant } = runs.sandbox
  const user = runs.userWithTokens(0)
  const revocation = runs.revocation({ userId: user.id, reason: 'security' })
  tenant.issueTokens(user.id, 1)
  const asleep = () => {
    runs.clock.jump(90_000)
    onListed = () => {}
  }
  onListed = asleep
  const result = await runs.run(revocation)
  t.match(result, { ended: 'completed', outcome: 'nothing-to-revoke', confirmInMs: 6_000 })
  t.equal(tenant.tokensOf(user.id).length, 1)

  // While the confirming listing is under way: it is made again.
  for (const token of tenant.tokensOf(user.id)) tenant.tokens.revoke(token)
  runs.clock.advance(60_000)
  let lists = 0
  tenant.onCall((phase, { route }) => {
    if (phase !== 'arrived' || route !== 'list') return
    lists += 1
    if (lists === 1) runs.clock.jump(90_000)
  })
  const resolved = [user.id]
  const completed = { ...revocation, resolved, status: 'completed', outcome: 'revoked' } as const
  t.match(await runs.confirm(completed), { found: 'nothing', kept: 0 })
  t.equal(lists, 2)
})
