import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LocalLedger } from '../../src/qlik/local-ledger.ts'
import type { PermitLog, Tier } from '../../src/qlik/permit-log.ts'
import { RateBudget } from '../../src/qlik/rate-budget.ts'
import { openSqliteStore } from '../../src/stores/sqlite.ts'
import { type FakeClock, fakeClock } from '../support/clock.ts'
import { temporaryFolder } from '../support/service.ts'

const CALL = { urgency: 0, signal: new AbortController().signal }

async function budgetOn(
  permits: PermitLog,
  clock: FakeClock,
  onLogFailure: (error: unknown) => void = () => {},
) {
  const openLedger = (tier: Tier, limit: number) =>
    new LocalLedger({
      key: { tenant: 'default', client: 'c', tier },
      limit,
      windowMs: 1_000,
      timeoutMs: 100,
      permits,
      clock,
      onFailure: onLogFailure,
    })
  const budget = new RateBudget({
    windowMs: 1_000,
    ledgers: { 1: openLedger(1, 3), 2: openLedger(2, 2) },
    concurrency: { 1: 10, 2: 10 },
    clock,
  })
  await budget.restore()
  return budget
}

function openPermits(t: Test, path = join(temporaryFolder(t), 'curfew.db')) {
  const store = openSqliteStore(path)
  t.teardown(() => store.close())
  return { path, store, permits: store.permits }
}

t.test('the tiers are counted apart', async (t) => {
  const budget = await budgetOn(openPermits(t).permits, fakeClock())
  await budget.draw(1, CALL)
  await budget.draw(2, CALL)
  await budget.draw(2, CALL)
  t.same([budget.remaining(1), budget.remaining(2)], [2, 0])
})

t.test('a restart remembers the calls of the last window', async (t) => {
  const clock = fakeClock()
  const { path, store, permits } = openPermits(t)
  const before = await budgetOn(permits, clock)
  const call = await before.draw(2, CALL)
  clock.advance(50)
  call.end()
  await before.draw(2, CALL)
  await store.close()
  clock.advance(500)
  const after = await budgetOn(openPermits(t, path).permits, clock)
  t.equal(after.remaining(2), 0)
  // Drawn at 0, ended within the timeout of 100: free at 1,100, and 5 for the margin.
  clock.advance(554)
  t.equal(after.remaining(2), 0)
  clock.advance(1)
  t.equal(after.remaining(2), 1)
  clock.advance(50)
  t.equal(after.remaining(2), 2)
})

t.test('a restart remembers that Qlik asked to wait', async (t) => {
  const clock = fakeClock()
  const { path, store, permits } = openPermits(t)
  await (await budgetOn(permits, clock)).block(2, 10_000)
  await store.close()
  const after = await budgetOn(openPermits(t, path).permits, clock)
  t.same([after.remaining(1), after.remaining(2)], [3, 0])
  clock.advance(10_005)
  t.equal(after.remaining(2), 2)
})

t.test('a later and shorter block does not end a longer one, and one that is absurd is cut', async (t) => {
  const clock = fakeClock()
  const { path, store, permits } = openPermits(t)
  const before = await budgetOn(permits, clock)
  await before.block(2, 10_000.7)
  await before.block(2, 10)
  await before.block(1, 1e12)
  await store.close()
  const after = await budgetOn(openPermits(t, path).permits, clock)
  clock.advance(9_900)
  t.same([after.remaining(1), after.remaining(2)], [0, 0])
  clock.advance(200)
  t.same([after.remaining(1), after.remaining(2)], [0, 2])
  clock.advance(24 * 60 * 60_000)
  t.equal(after.remaining(1), 3)
})

t.test('other clients and tenants have budgets of their own', async (t) => {
  const { permits } = openPermits(t)
  await permits.note({ tenant: 'default', client: 'other', tier: 2 }, Date.now(), 0)
  await permits.note({ tenant: 'other', client: 'c', tier: 2 }, Date.now(), 0)
  const budget = await budgetOn(permits, fakeClock())
  t.equal(budget.remaining(2), 2)
})

t.test('a permit is durable before the call is made', async (t) => {
  const clock = fakeClock()
  let release = () => {}
  const durable = new Promise<void>((resolve) => {
    release = resolve
  })
  const permits: PermitLog = {
    history: async () => ({ permits: [], blockedUntil: null }),
    note: () => durable,
    block: async () => {},
  }
  let drawn = false
  const drawing = (await budgetOn(permits, clock)).draw(1, CALL).then(() => {
    drawn = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(drawn, false)
  release()
  await drawing
  t.equal(drawn, true)
})

t.test('a store that fails is told of, and does not stop revoking', async (t) => {
  const { store, permits } = openPermits(t)
  const failures: unknown[] = []
  const budget = await budgetOn(permits, fakeClock(), (error) => failures.push(error))
  await store.close()
  await budget.draw(1, CALL)
  await budget.block(1, 10)
  t.match(failures, [{ code: 'CURFEW_STORE_UNAVAILABLE' }, { code: 'CURFEW_STORE_UNAVAILABLE' }])
})

t.test('estimates when so many calls could have started', async (t) => {
  const clock = fakeClock()
  const budget = await budgetOn(openPermits(t).permits, clock)
  const start = clock.now()
  t.equal(budget.estimate(2, 2), start)
  t.ok(Math.abs(budget.estimate(2, 6) - (start + 2_000)) <= 10, 'two of them in each window')
})
