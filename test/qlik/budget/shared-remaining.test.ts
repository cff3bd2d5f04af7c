import t from 'tap'
import { openBudget } from '../../../src/qlik/budget/open-budget.ts'
import { SharedRemaining } from '../../../src/qlik/budget/shared-remaining.ts'
import { fakeClock } from '../../support/clock.ts'

const SILENT = { info: () => {}, warn: () => {}, error: () => {} }
const key = { origin: 'https://a', tenant: 'default', client: 'c' }
const config = {
  name: 'default',
  origin: 'https://a',
  tier1Limit: 1_000,
  tier2Limit: 500,
  windowMs: 300_000,
  timeoutMs: 1,
  concurrency: 1,
}

function setUp(answers: (number[] | Error)[], readMs = 0) {
  const clock = fakeClock()
  const asked: unknown[] = []
  const warnings: unknown[] = []
  const log = { ...SILENT, warn: (details: object) => warnings.push(details) }
  const permits = {
    exchange: () => Promise.reject(new Error('not asked for')),
    block: async () => {},
    blocks: async () => [],
    async remaining(budgets: readonly unknown[]) {
      asked.push(budgets)
      clock.advance(readMs)
      const answer = answers.shift() ?? []
      if (answer instanceof Error) throw answer
      return answer
    },
  }
  const budget = openBudget(config, { clientId: 'c' }, { permits, clock, log })
  const shared = new SharedRemaining({ permits, clock, log })
  return { clock, asked, warnings, budget, refresh: () => shared.refresh(() => [{ key, budget }]) }
}

t.test('both tiers of each budget are read under the current limits, in one query', async (t) => {
  const { asked, budget, refresh } = setUp([[900, 100]])
  t.equal(budget.remaining(2), 500)
  await Promise.all([refresh(), refresh()])
  const tier = (tier: number, limit: number) => ({ key: { ...key, tier }, limit, windowMs: 300_000 })
  t.same(asked, [[tier(1, 1_000), tier(2, 500)]])
  t.same([budget.remaining(1), budget.remaining(2)], [900, 100])
})

t.test('reads have an interval, which is longer if they are slow', async (t) => {
  for (const [readMs, pause] of [
    [0, 1_000],
    [200, 1_800],
  ] as const) {
    const { clock, asked, refresh } = setUp([], readMs)
    await refresh()
    clock.advance(pause - 1)
    await refresh()
    t.equal(asked.length, 1)
    clock.advance(1)
    await refresh()
    t.equal(asked.length, 2)
  }
})

t.test('if the database is unavailable, the last known numbers stay', async (t) => {
  const { clock, budget, warnings, refresh } = setUp([[900, 100], new Error('away')])
  await refresh()
  clock.advance(1_000)
  await refresh()
  t.equal(budget.remaining(2), 100)
  t.equal(warnings.length, 1)
})
