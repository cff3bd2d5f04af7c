import t from 'tap'
import type { Revocation } from '../../src/revocation/revocation.ts'
import { openRuns, type Runs } from '../support/runs.ts'

/** A completed revocation of this user; the leeway has passed since. */
async function completed(runs: Runs, signal: Parameters<Runs['revocation']>[0]): Promise<Revocation> {
  const revocation = runs.revocation(signal)
  const result = await runs.run(revocation)
  if (result.ended !== 'completed' || result.proof === null) throw new Error('expected a proof')
  runs.clock.advance(7_000)
  const { resolved, proof, tokens, outcome } = result
  return { ...revocation, status: 'completed', outcome, tokens, resolved, proof }
}

/** The calls this makes. */
async function callsOf(runs: Runs, work: () => Promise<unknown>) {
  const { tenant } = runs.sandbox
  const before = tenant.calls.length
  await work()
  return tenant.calls.slice(before).map(({ route }) => route)
}

t.test('one more listing, with one call, confirms that nothing is left', async (t) => {
  const runs = await openRuns(t)
  const user = runs.userWithTokens(3)
  const revocation = await completed(runs, { userId: user.id })
  const at = runs.clock.now()
  const calls = await callsOf(runs, async () => {
    t.match(await runs.confirm(revocation), {
      found: 'nothing',
      undecided: 0,
      proof: {
        at,
        pages: 1,
        listings: 1,
        client: runs.client.id,
        scope: 'admin_classic',
        role: 'others-seen',
        userExists: true,
      },
    })
  })
  t.same(calls, ['list'])
})

t.test('a user not known to exist is looked up again', async (t) => {
  const runs = await openRuns(t)
  const revocation = await completed(runs, { userId: 'nobody' })
  const calls = await callsOf(runs, async () => {
    t.match(await runs.confirm(revocation), { found: 'nothing', proof: { userExists: false } })
  })
  t.same(calls, ['list', 'user', 'me', 'user'], 'then the power of the client')
})

t.test('tokens in scope that appear late are found, and not deleted', async (t) => {
  const runs = await openRuns(t)
  const user = runs.userWithTokens(3)
  const revocation = await completed(runs, { userId: user.id })
  const { tenant } = runs.sandbox
  tenant.issueTokens(user.id, 2, { issuedAt: revocation.occurredAt - 1_000 })
  tenant.issueTokens(user.id, 1, { issuedAt: revocation.occurredAt + 60_000 })
  const deletes = runs.deletes()
  t.match(await runs.confirm(revocation), { found: 'tokens', count: 2 })
  t.equal(runs.deletes(), deletes)
})

t.test('all users with the same name are listed, and the weakest role decides', async (t) => {
  const runs = await openRuns(t)
  const users = [3, 0].map((count) => runs.userWithTokens(count, { email: 'twin@example.com' }))
  const email = { kind: 'email', value: 'twin@example.com' } as const
  const revocation = await completed(runs, { user: email })
  t.same(
    revocation.resolved,
    users.map(({ id }) => id),
  )
  t.match(revocation.proof, { userExists: true, pages: 1 })
  runs.sandbox.tenant.issueTokens(String(users[1]?.id), 1, { issuedAt: revocation.occurredAt })
  t.match(await runs.confirm(revocation), { found: 'tokens', count: 1 })
})

t.test('a list of several pages is read twice', async (t) => {
  const runs = await openRuns(t)
  const user = runs.userWithTokens(0)
  const revocation = await completed(runs, { userId: user.id })
  runs.sandbox.tenant.issueTokens(user.id, 150, { issuedAt: revocation.occurredAt + 60_000 })
  const calls = await callsOf(runs, async () => {
    t.match(await runs.confirm(revocation), { found: 'nothing', proof: { pages: 2, listings: 2 } })
  })
  t.same(
    calls.filter((route) => route === 'list'),
    ['list', 'list', 'list', 'list'],
  )
})

t.test('a client that has lost its role or scope confirms nothing', async (t) => {
  for (const [changes, code] of [
    [{ admin: false }, 'CURFEW_CLIENT_NOT_ADMIN'],
    [{ grantedScope: 'user_default' }, 'CURFEW_SCOPE_TOO_NARROW'],
  ] as const) {
    const runs = await openRuns(t)
    const revocation = await completed(runs, { userId: runs.userWithTokens(3).id })
    runs.sandbox.tenant.changeClient(runs.client.id, changes)
    runs.sandbox.tenant.expireAccessTokens(runs.client.id)
    runs.clock.advance(4_000)
    t.match(await runs.confirm(revocation), { found: 'stopped', error: { code } })
  }
})

t.test('an unavailable tenant or a list that keeps changing confirms nothing', async (t) => {
  const runs = await openRuns(t)
  const user = runs.userWithTokens(0)
  const revocation = await completed(runs, { userId: user.id })
  const { tenant } = runs.sandbox
  tenant.order({ kind: 'status', status: 503, route: 'list' })
  t.match(await runs.confirm(revocation), { found: 'stopped', error: { kind: 'unavailable' } })
  const issue = (count: number) => tenant.issueTokens(user.id, count, { issuedAt: runs.clock.now() + 60_000 })
  issue(150)
  tenant.onCall((phase, { route }) => {
    if (phase === 'answered' && route === 'list') issue(1)
  })
  t.match(await runs.confirm(revocation), { found: 'stopped', error: { code: 'CURFEW_LISTING_UNSTABLE' } })
})
