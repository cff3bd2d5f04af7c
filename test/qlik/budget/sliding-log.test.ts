import fc from 'fast-check'
import t from 'tap'
import { type Limit, REMEMBERED_FOR_MS, SlidingLog } from '../../../src/qlik/budget/sliding-log.ts'

const logOf = (limit: number) => new SlidingLog({ limit, windowMs: 100 })

t.test('a call counts from its start until a window after its end', async (t) => {
  const log = logOf(2)
  log.begin()
  t.equal(log.room(0), 1)
  t.equal(log.room(1_000), 1, 'while it is under way')
  log.end(1_000)
  t.equal(log.room(1_099), 1)
  t.equal(log.room(1_100), 2)
})

t.test('a call that was not made does not count', async (t) => {
  const log = logOf(1)
  log.begin()
  t.equal(log.room(0), 0)
  log.cancel()
  t.equal(log.room(0), 1)
})

t.test('reports when the nth call may start', async (t) => {
  const log = logOf(3)
  log.restore(10, 2)
  t.same(
    [1, 2, 3, 4, 5, 6].map((nth) => log.freeAt(nth, 20)),
    [20, 110, 110, 120, 210, 210],
  )
})

t.test('if there is room, that is exactly now', async (t) => {
  const log = new SlidingLog({ limit: 2, windowMs: 300_000 })
  for (const now of [0.1, 12.7, 1_234.567, 99.9, 0.7]) t.equal(log.freeAt(2, now), now)
})

t.test('more restored calls than the limit leave no room, but no permanent debt', async (t) => {
  const log = logOf(2)
  log.restore(0, 5)
  t.equal(log.room(50), 0)
  t.equal(log.room(100), 2)
})

t.test('a lower limit applies immediately: earlier calls and those under way count against it', async (t) => {
  const log = logOf(5)
  for (const end of [10, 20, 30]) {
    log.begin()
    log.end(end)
  }
  log.begin()
  log.change({ limit: 2, windowMs: 100 })
  t.equal(log.room(40), 0)
  t.same(
    [1, 2, 3].map((nth) => log.freeAt(nth, 40)),
    [130, 140, 230],
    'when the third is over, and the one under way; then a window after the first of these',
  )
  t.equal(log.room(129), 0)
  t.equal(log.room(130), 1)
  log.change({ limit: 4, windowMs: 100 })
  t.equal(log.room(130), 3)
})

t.test('a new window applies immediately, even to calls that had left the old one', async (t) => {
  const log = logOf(3)
  log.restore(0, 2)
  t.equal(log.room(150), 3)
  log.change({ limit: 3, windowMs: 200 })
  t.equal(log.room(150), 1)
  t.equal(log.freeAt(2, 150), 200)
  log.change({ limit: 3, windowMs: 50 })
  t.equal(log.room(150), 3)
  log.change({ limit: 3, windowMs: REMEMBERED_FOR_MS })
  t.equal(log.room(REMEMBERED_FOR_MS - 1), 1)
  t.equal(log.room(REMEMBERED_FOR_MS), 3)
})

t.test('past calls are forgotten, and no others', async (t) => {
  const log = new SlidingLog({ limit: 1_000, windowMs: 100 })
  for (let now = 0; now < 1_000; now += 1) log.restore(now * 1_000, 1)
  const now = 999_000
  // Part of the log is forgotten each time.
  for (let time = 0; time < 20; time += 1) t.equal(log.room(now), 999)
  log.change({ limit: 1_000, windowMs: 2 * REMEMBERED_FOR_MS })
  const known = 1_000 - log.room(now)
  t.ok(known >= 300, `${known} of the last 300 s`)
  t.ok(known < 600, `${known}: of those before, not more than as many`)
})

interface Made {
  start: number
  end: number
  arrival: number
}

/** Calls that a log admits, with changes in between; each with the limit under which it started. */
function run(steps: readonly Step[], first: Limit): (Made & { by: Limit })[] {
  const log = new SlidingLog(first)
  const calls: (Made & { by: Limit })[] = []
  let by = first
  let underWay: number[] = []
  let now = 0
  for (const { gap, latency, arrival, change } of steps) {
    now += gap
    for (const end of underWay.filter((end) => end <= now).sort((a, b) => a - b)) log.end(end)
    underWay = underWay.filter((end) => end > now)
    if (change) {
      by = change
      log.change(change)
    }
    if (log.room(now) === 0) continue
    log.begin()
    calls.push({ start: now, arrival: now + arrival * latency, end: now + latency, by })
    underWay.push(now + latency)
  }
  return calls
}

interface Step {
  gap: number
  latency: number
  arrival: number
  change: Limit | null
}
const step = (change: fc.Arbitrary<Limit>): fc.Arbitrary<Step> =>
  fc.record({
    gap: fc.nat(40),
    latency: fc.nat(60),
    arrival: fc.double({ min: 0, max: 1, noNaN: true }),
    change: fc.option(change, { freq: 5 }),
  })
const limitOf = (limit: { min: number; max: number }, windowMs: { min: number; max: number }) =>
  fc.record({ limit: fc.integer(limit), windowMs: fc.integer(windowMs) })

t.test(
  'no window of the tenant ever exceeds its limit, whatever the latencies and the reloads',
  async (t) => {
    const tenant = { limit: 5, windowMs: 100 }
    // At least as strict as the tenant.
    const limits = limitOf({ min: 1, max: 5 }, { min: 100, max: 300 })
    fc.assert(
      fc.property(limits, fc.array(step(limits), { maxLength: 60 }), (first, steps) => {
        const arrivals = run(steps, first).map(({ arrival }) => arrival)
        return arrivals.every(
          (from) => arrivals.filter((at) => at >= from && at < from + tenant.windowMs).length <= tenant.limit,
        )
      }),
      { numRuns: 1_000 },
    )
    t.pass('1,000 random histories')
  },
)

t.test('each call starts under the limit of its time, counting all calls before it', async (t) => {
  const limits = limitOf({ min: 1, max: 8 }, { min: 20, max: 400 })
  fc.assert(
    fc.property(limits, fc.array(step(limits), { maxLength: 60 }), (first, steps) => {
      const calls = run(steps, first)
      return calls.every(({ start, by }, index) => {
        const counted = calls.slice(0, index).filter(({ end }) => end > start - by.windowMs)
        return counted.length < by.limit
      })
    }),
    { numRuns: 1_000 },
  )
  t.pass('1,000 random histories')
})

t.test('a call may start at the reported time, and not before', async (t) => {
  const ends = fc.array(fc.nat(300), { maxLength: 30 })
  fc.assert(
    fc.property(ends, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), (ends, limit, nth) => {
      const now = 300
      const make = () => {
        const log = new SlidingLog({ limit, windowMs: 100 })
        for (const end of ends.toSorted((a, b) => a - b)) log.restore(end, 1)
        return log
      }
      const at = make().freeAt(nth, now)
      const log = make()
      let started = 0
      // Each starts as soon as it may, and takes no time.
      for (let time = now; time <= at; time += 1) {
        while (log.room(time) > 0 && started < nth) {
          if (started === nth - 1) return time === at
          log.begin()
          log.end(time)
          started += 1
        }
      }
      return false
    }),
    { numRuns: 500 },
  )
  t.pass('500 random histories')
})
