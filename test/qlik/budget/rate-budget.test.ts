import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LocalLedger } from '../../../src/qlik/budget/local-ledger.ts'
import type { PermitLog } from '../../../src/qlik/budget/permit-log.ts'
import { type NewBlock, RateBudget } from '../../../src/qlik/budget/rate-budget.ts'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { type FakeClock, fakeClock } from '../../support/clock.ts'
import { temporaryFolder } from '../../support/service.ts'

const CALL = { urgency: 0, signal: new AbortController().signal }
const LIMITS = { tier1Limit: 3, tier2Limit: 2, windowMs: 1_000, timeoutMs: 100, concurrency: 10 }
const KEY = { origin: 'https://a', tenant: 'default', client: 'c' }

interface Different {
  onLogFailure?: (error: unknown) => void
  onBlock?: (block: NewBlock) => void
  limits?: Partial<typeof LIMITS>
  key?: Partial<typeof KEY>
}

async function budgetOn(permits: PermitLog, clock: FakeClock, different: Different = {}) {
  const { onLogFailure = () => {}, onBlock = () => {}, limits, key } = different
  const budget = new RateBudget({
    limits: { ...LIMITS, ...limits },
    openLedger: (tier, own) =>
      new LocalLedger({ ...own, key: { ...KEY, ...key, tier }, permits, clock, onFailure: onLogFailure }),
    clock,
    onBlock,
  })
  await budget.restore()
  return budget
}

const wait = (ms: number, askedMs: number | null = ms) => ({ ms, askedMs })

function openPermits(t: Test, path = join(temporaryFolder(t), 'curfew.db')) {
  const store = openSqliteStore(path)
  t.teardown(() => store.close())
  return { path, store, permits: store.permits }
}

t.test('the tiers are counted separately', async (t) => {
  const budget = await budgetOn(openPermits(t).permits, fakeClock())
  await budget.draw(1, CALL)
  await budget.draw(2, CALL)
  await budget.draw(2, CALL)
  t.same([budget.remaining(1), budget.remaining(2)], [2, 0])
})

t.test('an abandoned call counts until a window after its timeout', async (t) => {
  const clock = fakeClock()
  const budget = await budgetOn(openPermits(t).permits, clock)
  const [first, second] = [await budget.draw(2, CALL), await budget.draw(2, CALL)]
  first.end(true)
  second.abandon()
  second.end(true)
  clock.advance(1_010)
  t.equal(budget.remaining(2), 1)
  clock.advance(80)
  t.equal(budget.remaining(2), 1)
  clock.advance(20)
  t.equal(budget.remaining(2), 2)
  ;(await budget.draw(2, CALL)).abandon()
  await budget.close()
  t.equal(clock.untilNextTimer(), null)
})

t.test('a restart remembers the calls of the last window', async (t) => {
  const clock = fakeClock()
  const { path, store, permits } = openPermits(t)
  const before = await budgetOn(permits, clock)
  const call = await before.draw(2, CALL)
  clock.advance(50)
  call.end(true)
  await before.draw(2, CALL)
  await store.close()
  clock.advance(500)
  const after = await budgetOn(openPermits(t, path).permits, clock)
  t.equal(after.remaining(2), 0)
  // Drawn at 0, ended within the timeout of 100: free at 1,100, plus the margin of 5.
  clock.advance(554)
  t.equal(after.remaining(2), 0)
  clock.advance(1)
  t.equal(after.remaining(2), 1)
  clock.advance(50)
  t.equal(after.remaining(2), 2)
})

t.test('a restart with a longer window still knows the calls that had left the shorter one', async (t) => {
  const clock = fakeClock()
  const { path, store, permits } = openPermits(t)
  const before = await budgetOn(permits, clock)
  for (let index = 0; index < 2; index += 1) (await before.draw(2, CALL)).end(true)
  clock.advance(200_000)
  ;(await before.draw(2, CALL)).end(true)
  await store.close()
  const after = await budgetOn(openPermits(t, path).permits, clock, {
    limits: { windowMs: 300_000, tier2Limit: 5 },
  })
  t.equal(after.remaining(2), 2)
})

t.test('a renamed tenant keeps its budget, and the next tenant of that name has another', async (t) => {
  const clock = fakeClock()
  const { path, store, permits } = openPermits(t)
  const before = await budgetOn(permits, clock)
  await before.draw(2, CALL)
  await before.block(1, wait(10_000))
  await store.close()
  const reopened = openPermits(t, path).permits
  const renamed = await budgetOn(reopened, clock, { key: { tenant: 'renamed' } })
  t.same([renamed.remaining(1), renamed.remaining(2)], [0, 1])
  const next = await budgetOn(reopened, clock, { key: { origin: 'https://b' } })
  await next.draw(2, CALL)
  const again = await budgetOn(reopened, clock, { key: { origin: 'https://b', tenant: 'whatever' } })
  t.same([again.remaining(1), again.remaining(2)], [3, 1])
  t.equal((await budgetOn(reopened, clock)).remaining(2), 1)
})

t.test('a restart remembers that Qlik asked to wait, and that one call goes first afterwards', async (t) => {
  const clock = fakeClock()
  const { path, store, permits } = openPermits(t)
  await (await budgetOn(permits, clock)).block(2, wait(10_000))
  await store.close()
  const { permits: reopened, store: second } = openPermits(t, path)
  const after = await budgetOn(reopened, clock)
  t.same([after.remaining(1), after.remaining(2)], [3, 0])
  clock.advance(10_005)
  t.equal(after.remaining(2), 1)
  ;(await after.draw(2, CALL)).end(true)
  t.equal(after.remaining(2), 1, 'the other of two')
  clock.advance(1_105)
  await second.close()
  const open = await budgetOn(openPermits(t, path).permits, clock)
  t.equal(open.remaining(2), 2, 'the passed probe is remembered, too')
})

t.test('a later, shorter block does not end a longer one, and an absurd block is capped', async (t) => {
  const clock = fakeClock()
  const { path, store, permits } = openPermits(t)
  const before = await budgetOn(permits, clock)
  await before.block(2, wait(10_000.7))
  await before.block(2, wait(10))
  await before.block(1, wait(1e12))
  await store.close()
  const after = await budgetOn(openPermits(t, path).permits, clock)
  clock.advance(9_900)
  t.same([after.remaining(1), after.remaining(2)], [0, 0])
  clock.advance(200)
  t.same([after.remaining(1), after.remaining(2)], [0, 1])
  clock.advance(15 * 60_000)
  t.equal(after.remaining(1), 1)
})

t.test('a block is reported once, with its end and the wait that Qlik asked for', async (t) => {
  const clock = fakeClock()
  const blocks: NewBlock[] = []
  const budget = await budgetOn(openPermits(t).permits, clock, { onBlock: (block) => blocks.push(block) })
  await Promise.all([10_000, 9_000, 11_000].map((ms) => budget.block(2, wait(ms, 1e12))))
  const first = {
    tier: 2,
    until: clock.now() + 10_000,
    askedMs: 1e12,
    ms: 10_000,
    hadRoom: true,
    hadRecovered: true,
  }
  t.same(blocks, [first])
  t.same([budget.blockedUntil(1), budget.blockedUntil(2)], [null, clock.now() + 11_000])
  clock.advance(11_000)
  t.equal(budget.blockedUntil(2), null)
  await budget.block(2, wait(1_000, null))
  t.match(blocks[1], { askedMs: null, hadRecovered: false }, 'no call has passed since')
  clock.advance(1_005)
  ;(await budget.draw(2, CALL)).end(true)
  await budget.block(2, wait(1_000))
  t.match(blocks[2], { hadRecovered: true })
  t.equal(blocks.length, 3)
})

t.test('reports until when the window has no room', async (t) => {
  const clock = fakeClock()
  const blocks: NewBlock[] = []
  const budget = await budgetOn(openPermits(t).permits, clock, { onBlock: (block) => blocks.push(block) })
  t.equal(budget.usedUpUntil(2), null)
  for (const call of [await budget.draw(2, CALL), await budget.draw(2, CALL)]) call.end(true)
  t.equal(budget.usedUpUntil(2), clock.now() + 1_000)
  await budget.block(2, wait(500, null))
  t.match(blocks, [{ hadRoom: false }])
  t.equal(budget.usedUpUntil(1), null)
  clock.advance(1_005)
  t.equal(budget.usedUpUntil(2), null)
})

t.test('other clients and tenants have their own budgets', async (t) => {
  const { permits } = openPermits(t)
  await permits.note({ ...KEY, client: 'other', tier: 2 }, Date.now(), 0)
  await permits.note({ ...KEY, origin: 'https://b', tenant: 'other', tier: 2 }, Date.now(), 0)
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
    unblock: async () => {},
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

t.test('a store failure is reported, and does not stop revoking', async (t) => {
  const { store, permits } = openPermits(t)
  const failures: unknown[] = []
  const clock = fakeClock()
  const budget = await budgetOn(permits, clock, { onLogFailure: (error) => failures.push(error) })
  await store.close()
  await budget.draw(1, CALL)
  await budget.block(1, wait(10))
  clock.advance(15)
  ;(await budget.draw(1, CALL)).end(true)
  t.equal(budget.remaining(1), 1)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(
    failures.map((error) => Object(error).code),
    Array(4).fill('CURFEW_STORE_UNAVAILABLE'),
    'a call, a block, the probe and its pass',
  )
})

t.test('estimates when a number of calls could have started', async (t) => {
  const clock = fakeClock()
  const budget = await budgetOn(openPermits(t).permits, clock)
  const start = clock.now()
  t.equal(budget.estimate(2, 2), start)
  t.ok(Math.abs(budget.estimate(2, 6) - (start + 2_000)) <= 10, 'two per window')
})

t.test('changed limits apply to waiting calls, and earlier calls still count', async (t) => {
  const clock = fakeClock()
  const budget = await budgetOn(openPermits(t).permits, clock, { limits: { tier2Limit: 4, concurrency: 2 } })
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  let drawn = 0
  const permits = Array.from({ length: 6 }, () =>
    budget.draw(2, CALL).then((permit) => {
      drawn += 1
      return permit
    }),
  )
  const drawnNow = async () => {
    for (let turn = 0; turn < 4; turn += 1) await settle()
    return drawn
  }
  t.equal(await drawnNow(), 2, 'two immediately')
  const change = (limits: Partial<typeof LIMITS>) => budget.change({ ...LIMITS, ...limits })
  change({ tier2Limit: 4, concurrency: 3 })
  t.equal(await drawnNow(), 3)
  change({ tier2Limit: 2, concurrency: 5 })
  t.equal(await drawnNow(), 3, 'more are under way than the new limit')
  change({ tier2Limit: 5, concurrency: 5 })
  t.equal(await drawnNow(), 5)
  for (const permit of permits.slice(0, 5)) (await permit).end(true)
  t.equal(await drawnNow(), 5)
  change({ tier2Limit: 5, concurrency: 5, windowMs: 2_000 })
  clock.advance(1_500)
  t.equal(await drawnNow(), 5, 'a longer window applies to earlier calls')
  change({ tier2Limit: 5, concurrency: 5, windowMs: 1_000 })
  t.equal(await drawnNow(), 6, 'a shorter one does, too')
})
