import t from 'tap'
import { provesGone } from '../../src/revocation/proof.ts'
import type { RunResult } from '../../src/revocation/run-attempt.ts'
import { openRuns, type Runs } from '../support/runs.ts'

const CONFIRMED = { undecided: 0, isConfirmed: true }
const isProven = (result: RunResult) => result.ended === 'completed' && provesGone(result.proof, CONFIRMED)

/** A user with many laptop tokens, listed first, and some phone tokens on the second page. */
function userWithDevices(runs: Runs) {
  const user = runs.userWithTokens(105, { deviceType: 'Laptop' })
  runs.sandbox.tenant.issueTokens(user.id, 15, { deviceType: 'Phone', issuedAt: runs.clock.now() - 30_000 })
  const alive = (deviceType: string) =>
    runs.sandbox.tenant.tokensOf(user.id).filter((token) => token.deviceType === deviceType).length
  return { user, alive }
}

/** Resolves once this number of tokens is deleted. */
function deleted(runs: Runs, count: number): Promise<void> {
  return new Promise((resolve) => {
    if (count === 0) resolve()
    runs.sandbox.tenant.onCall(() => {
      if (runs.deletes() >= count) resolve()
    })
  })
}

for (const [where, listingOrder] of [
  ['one process', 'oldest-first'],
  ['two processes', 'newest-first'],
] as const) {
  t.test(`two logouts of one user, ${where}, ${listingOrder}: no proof while tokens are alive`, async (t) => {
    for (const concurrency of [1, 8]) {
      for (const deletes of [0, 5]) {
        const runs = await openRuns(t, { concurrency, sandbox: { paging: 'offset', listingOrder } })
        const { user, alive } = userWithDevices(runs)
        const other = where === 'one process' ? runs : runs.another()
        const logout = async (by: Runs, deviceType: string) => {
          const result = await by.run(by.revocation({ userId: user.id, deviceType }))
          const name = `${deviceType}, ${concurrency} at once, the second one after ${deletes} deletes`
          if (result.ended === 'completed') t.equal(alive(deviceType), 0, name)
          return isProven(result)
        }
        const second = deleted(runs, deletes).then(() => logout(other, 'Phone'))
        t.same(await Promise.all([logout(runs, 'Laptop'), second]), [true, true])
        t.same([alive('Laptop'), alive('Phone')], [0, 0])
      }
    }
  })
}

t.test('tokens that moved to a page already read are found by the next listing', async (t) => {
  const runs = await openRuns(t, { sandbox: { paging: 'offset' } })
  const { user, alive } = userWithDevices(runs)
  const { tenant } = runs.sandbox
  const end = tenant.onCall((phase, { route, path }) => {
    if (phase !== 'answered' || route !== 'list' || !path.includes(user.id)) return
    for (const token of tenant.tokensOf(user.id).slice(0, 20)) tenant.tokens.remove(token)
    end()
  })
  const result = await runs.run(runs.revocation({ userId: user.id, deviceType: 'Phone' }))
  t.equal(alive('Phone'), 0)
  t.match(result, { ended: 'completed', tokens: { revoked: 15, kept: 85 }, proof: { pages: 1 } })
})

t.test('a list that keeps changing is no proof: the attempt fails and is retried', async (t) => {
  const runs = await openRuns(t, { sandbox: { paging: 'offset' } })
  const user = runs.userWithTokens(150, { deviceType: 'Laptop' })
  const { tenant } = runs.sandbox
  const end = tenant.onCall((phase, { route }) => {
    if (phase === 'answered' && route === 'list')
      tenant.issueTokens(user.id, 1, { issuedAt: runs.clock.now() + 60_000 })
  })
  const phones = runs.revocation({ userId: user.id, deviceType: 'Phone' })
  t.match(await runs.run(phones), { ended: 'stopped', error: { code: 'CURFEW_LISTING_UNSTABLE' } })
  end()
  t.match(await runs.run(phones), {
    ended: 'completed',
    proof: { pages: 2, listings: 2 },
  })
})
