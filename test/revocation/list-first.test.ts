import t from 'tap'
import { listAll } from '../../src/revocation/listing.ts'
import type { TokenCounts } from '../../src/revocation/revocation.ts'
import { RunTime } from '../../src/revocation/run-time.ts'
import { openRuns } from '../support/runs.ts'

t.test('all 10,000 tokens are listed, and counted, before the first is revoked', async (t) => {
  const progress: TokenCounts[] = []
  const runs = await openRuns(t, { onProgress: (tokens) => progress.push({ ...tokens }) })
  const user = runs.userWithTokens(10_000)
  runs.sandbox.tenant.issueTokens(user.id, 7, { issuedAt: runs.clock.now() + 60_000 })
  const stop = new AbortController()
  const listed = () =>
    runs.sandbox.tenant.calls.filter(({ path }) => path.includes(`userId=${user.id}`)).length
  runs.sandbox.tenant.onCall((phase, { route }) => {
    if (route !== 'revoke') return
    t.equal(listed(), 101)
    if (phase === 'answered' && runs.deletes() === 20) stop.abort()
  })
  const result = await runs.run(runs.revocation({ userId: user.id }), stop.signal)
  t.same(progress[0], { revoked: 0, alreadyGone: 0, kept: 7, remaining: 10_000 })
  for (const { revoked, remaining, kept } of progress) t.same([revoked + remaining, kept], [10_000, 7])
  t.equal(result.tokens.revoked + result.tokens.remaining, 10_000)
})

t.test('pages are requested one at a time', async (t) => {
  const runs = await openRuns(t, { sandbox: { latencyMs: 5 } })
  const user = runs.userWithTokens(350)
  let underWay = 0
  runs.sandbox.tenant.onCall((phase, { route }) => {
    if (route !== 'list') return
    underWay += phase === 'arrived' ? 1 : -1
    t.ok(underWay <= 1)
  })
  t.match(await runs.run(runs.revocation({ userId: user.id })), {
    ended: 'completed',
    tokens: { revoked: 350 },
  })
})

t.test('a failed page does not keep earlier listed tokens alive', async (t) => {
  const runs = await openRuns(t)
  const user = runs.userWithTokens(250)
  const revocation = runs.revocation({ userId: user.id })
  runs.sandbox.tenant.order({ kind: 'status', status: 400, route: 'list', after: 2 })
  const first = await runs.run(revocation)
  t.match(first, { ended: 'stopped', error: { kind: 'unreadable' }, progressed: true })
  t.match(first, { tokens: { revoked: 200, alreadyGone: 0, remaining: 0 } })
  t.match(await runs.run({ ...revocation, tokens: first.tokens }), {
    ended: 'completed',
    tokens: { revoked: 250, alreadyGone: 0, kept: 0, remaining: 0 },
  })
})

t.test('more tokens than one user can have are treated as a loop', async (t) => {
  const { qlik, clock, revocation } = await openRuns(t)
  let pages = 0
  const endless = {
    listTokens: async () => {
      pages += 1
      const ids = Array.from({ length: 1_000 }, (_, index) => `token-${pages}-${index}`)
      const tokens = ids.map((id) => ({
        id,
        deviceType: null,
        lastUsed: null,
        description: null,
        clientId: null,
      }))
      return { tokens, next: `page-${pages}`, scope: 'admin_classic', client: 'c' }
    },
  }
  const all = revocation({ reason: 'security' })
  const time = new RunTime(all, { clock, tenant: qlik, storeClock: () => null })
  const options = { clock, time, urgency: 0, signal: new AbortController().signal }
  const listing = await listAll([{ id: 'u1', isOwn: false }], null, endless, options)
  t.match(listing.failure, { kind: 'unreadable' })
  t.equal(listing.inScope.size, 101_000, 'listed tokens can be revoked')
})

t.test("a revocation of Curfew's own user keeps its access token", async (t) => {
  const runs = await openRuns(t)
  const { tenant } = runs.sandbox
  const { userId } = runs.client
  tenant.issueTokens(userId, 3, { issuedAt: runs.clock.now() - 60_000 })
  runs.clock.advance(10_000)
  await runs.qlik.power({ urgency: 0, signal: new AbortController().signal })
  const occurredAt = runs.clock.now() - 5_000
  const revocation = runs.revocation({ userId, reason: 'security', occurredAt })
  const result = await runs.run(revocation)
  t.match(result, {
    ended: 'completed',
    proof: { role: 'own-user', userExists: true },
    tokens: { revoked: 3, kept: 1 },
  })
  t.equal(tenant.tokensOf(userId).length, 1)
  t.equal(tenant.calls.filter(({ route }) => route === 'token').length, 1)
})
