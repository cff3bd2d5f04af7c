import fc from 'fast-check'
import t from 'tap'
import { lowered, raised, shareOf } from '../../../src/qlik/budget/learned-limit.ts'

const WINDOW = 300_000

t.test('a limit is lowered by 30 %, but never to nothing', async (t) => {
  for (const [limit, expected] of [
    [2_000, 1_400],
    [500, 350],
    [2, 1],
    [1, 1],
  ] as const)
    t.equal(lowered(limit), expected)
})

t.test('a limit rises by 5 % per window, until that of the clients is reached', async (t) => {
  const limits = { windowMs: WINDOW, ceiling: 500 }
  for (const [windows, expected] of [
    [-1, 350],
    [0, 350],
    [0.99, 350],
    [1, 367],
    [2, 385],
    [7, 492],
    [8, null],
    [100_000, null],
  ] as const)
    t.equal(raised({ calls: 350, risingMs: windows * WINDOW }, limits), expected, `${windows} windows`)
})

t.test('clients divide a limit equally, and none exceeds its own', async (t) => {
  for (const [learned, own, clients, expected] of [
    [null, 500, 4, 500],
    [1_400, 500, 4, 350],
    [1_400, 500, 2, 500],
    [3, 500, 4, 1],
  ] as const)
    t.equal(shareOf(learned, own, clients), expected)
})

t.test('after any refusals, the clients together keep to the limit or make one call each', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.nat(20), { maxLength: 20 }),
      (own, clients, windowsBetween) => {
        const limits = { windowMs: WINDOW, ceiling: own * clients }
        let limit: number | null = null
        for (const windows of windowsBetween) {
          const calls = lowered(limit ?? limits.ceiling)
          if (calls >= (limit ?? limits.ceiling) && calls > 1) return false
          limit = raised({ calls, risingMs: windows * WINDOW }, limits)
          const share = shareOf(limit, own, clients)
          if (share > own || share < 1) return false
          if (limit !== null && share > 1 && share * clients > limit) return false
        }
        return true
      },
    ),
  )
})
