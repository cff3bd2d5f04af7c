import t from 'tap'
import { CALL, openPool } from '../support/client-pool.ts'
import { drive } from '../support/drive.ts'

const WINDOW = 300_000
const LIMIT = 30

for (const count of [1, 4]) {
  t.test(
    `while calls wait, each window is used in full as soon as it opens (${count} clients)`,
    async (t) => {
      const pool = await openPool(t, { count, tier2Limit: LIMIT, concurrency: 4 })
      const { tenant, tokens, checked, clock, sandbox, refusals } = pool
      await checked()
      const begin = clock.now()
      const deletes: number[] = []
      sandbox.tenant.onCall((phase, call) => {
        if (phase === 'arrived' && call.route === 'revoke') deletes.push(clock.now() - begin)
      })
      const tokenCount = 3 * LIMIT * count
      await drive(pool, Promise.all(tokens(tokenCount).map((id) => tenant.revokeToken(id, CALL))))
      t.equal(refusals(), 0)
      // The clock moves by a second at a time. Each client's first permit is used for its access token.
      const perWindow = [0, 1, 2, 3].map(
        (window) =>
          deletes.filter((at) => at >= window * WINDOW && at <= window * WINDOW + window * 1_000).length,
      )
      t.same(perWindow, [(LIMIT - 1) * count, LIMIT * count, LIMIT * count, count])
    },
  )
}
