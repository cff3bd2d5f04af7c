import t from 'tap'
import { HeldPermits } from '../../../src/qlik/budget/held-permits.ts'

const NONE = { granted: 0, waitMs: 0, remaining: 0, isProbe: false, blockedMs: null }

t.test('permits are usable for 2 s after they were requested', async (t) => {
  const held = new HeldPermits()
  held.take({ ...NONE, granted: 3 }, 100, 150)
  t.equal(held.room(2_099), 3)
  t.equal(held.room(2_100), 0)
  t.same(held.report(2_100), { held: 0, probe: 'none' })
})

t.test('calls under way are held, and a call that is not made returns its permit to the stock', async (t) => {
  const held = new HeldPermits()
  held.take({ ...NONE, granted: 2 }, 0, 0)
  t.notOk(held.begin())
  held.begin()
  t.same(held.report(1), { held: 2, probe: 'none' })
  held.cancel()
  t.same([held.room(1), held.areUnderWay], [1, true])
  held.end()
  t.same([held.room(1), held.areUnderWay], [1, false])
})

t.test('a block returns the stock, and only a passed probe opens the tier', async (t) => {
  const held = new HeldPermits()
  held.take({ ...NONE, granted: 2 }, 0, 0)
  held.block(1_000)
  t.same([held.room(0), held.hasRecovered, held.blockedUntil], [0, false, 1_000])
  for (const passed of [false, true]) {
    held.take({ ...NONE, granted: 1, isProbe: true, blockedMs: 0 }, 1_000, 1_000)
    t.same(held.report(1_000), { held: 1, probe: 'held' })
    t.ok(held.begin())
    held.end()
    held.probed(passed)
    t.equal(held.hasRecovered, passed)
  }
  const report = held.report(1_001)
  t.same(report, { held: 0, probe: 'passed' })
  held.reported(report)
  t.notOk(held.hasPassedProbe)
})
