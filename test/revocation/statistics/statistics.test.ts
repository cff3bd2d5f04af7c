import t, { type Test } from 'tap'
import { bucketOf } from '../../../src/revocation/statistics/durations.ts'
import { type Period, Statistics } from '../../../src/revocation/statistics/statistics.ts'
import type { VerifiedQuery } from '../../../src/revocation/store/statistics-store.ts'
import { fakeClock } from '../../support/clock.ts'

const MINUTE_MS = 60_000
/** The beginning of an hour. */
const NOW = Date.UTC(2026, 10, 28, 12)

interface Verified {
  at: number
  ms: number
  tenant?: string
}

/** Statistics of these revocations, read one a statement, each of which takes 10 ms. */
function setUp(t: Test, rows: Verified[]) {
  const clock = fakeClock(NOW)
  const queries: VerifiedQuery[] = []
  let isFailing = false
  const statistics = new Statistics({
    store: {
      async verified(query) {
        if (isFailing) throw new Error('unavailable')
        queries.push(query)
        const matches = rows
          .filter(({ at }) => at >= query.from && at < query.to)
          .sort((one, other) => one.at - other.at)
        const counts = matches
          .slice(0, 1)
          .filter(({ tenant = 'default' }) => query.tenants?.includes(tenant) ?? true)
          .map(({ at, ms }) => ({ minute: Math.floor(at / MINUTE_MS), bucket: bucketOf(ms), count: 1 }))
        return { counts, next: matches[1]?.at ?? null }
      },
    },
    clock,
    log: { info() {}, warn() {}, error() {} },
  })
  t.teardown(() => statistics.stop())
  return {
    ...{ clock, queries, statistics, rows },
    of: (period: Period, tenants?: readonly string[]) => statistics.of(period, tenants),
    fail: () => {
      isFailing = true
    },
  }
}

t.test('counts the last hour by minute and the last day by 15 minutes, with quantiles', async (t) => {
  const rows = Array.from({ length: 100 }, (_, index) => ({ at: NOW - 3 * MINUTE_MS, ms: (index + 1) * 100 }))
  const old = { at: NOW - 5 * 60 * MINUTE_MS, ms: 3_600_000 }
  const tooOld = { at: NOW - 24 * 60 * MINUTE_MS, ms: 1 }
  const { of } = setUp(t, [...rows.map((row, index) => ({ ...row, at: row.at + index })), old, tooOld])
  const hour = await of('hour')
  t.equal(hour.isComplete, true)
  t.equal(hour.intervals.length, 60)
  t.equal(hour.intervals.at(-1)?.from, NOW, 'the current minute')
  t.equal(hour.total.verified, 100)
  const near = (actual: number | null, expected: number) =>
    t.ok(actual !== null && Math.abs(actual - expected) <= expected * 0.05, `${actual} is ${expected}`)
  near(hour.total.p50, 5_000)
  near(hour.total.p99, 9_900)
  t.equal(hour.intervals.at(-4)?.summary?.verified, 100)
  t.same(hour.intervals.at(-5)?.summary, { verified: 0, p50: null, p99: null })
  const day = await of('day')
  t.equal(day.isComplete, true)
  t.equal(day.intervals.length, 96)
  t.equal(day.total.verified, 101)
  near(day.intervals.find(({ from }) => from === old.at)?.summary?.p50 ?? null, 3_600_000)
})

t.test('reads each minute once, and the last ones again', async (t) => {
  const { of, clock, queries, rows } = setUp(t, [{ at: NOW - 20 * MINUTE_MS, ms: 1_000 }])
  await of('day')
  const first = queries.length
  await of('day')
  t.equal(queries.length, first, 'within five seconds, nothing is read')
  rows.push({ at: NOW + 1_000, ms: 1_000 }, { at: NOW - 2 * MINUTE_MS, ms: 1_000 })
  clock.advance(5_000)
  t.equal((await of('hour')).total.verified, 3, 'also what was stored late')
  t.ok(queries.slice(first).every(({ from }) => from >= NOW - 2 * MINUTE_MS))
  clock.advance(MINUTE_MS)
  t.equal((await of('hour')).intervals.at(-1)?.from, NOW + MINUTE_MS)
  clock.advance(60 * MINUTE_MS)
  const later = await of('hour')
  t.equal(later.total.verified, 0)
  t.equal(later.isComplete, true, 'after a pause, what is missing is read')
  t.equal((await of('day')).total.verified, 3)
  clock.advance(25 * 60 * MINUTE_MS)
  t.equal((await of('day')).total.verified, 0)
})

t.test('a proof that is stored 10 minutes after its listing began is counted', async (t) => {
  const { of, clock, rows } = setUp(t, [])
  for (let minute = 0; minute < 10; minute += 1) {
    await of('hour')
    clock.advance(MINUTE_MS)
  }
  rows.push({ at: NOW, ms: 1_000 })
  t.equal((await of('hour')).total.verified, 1)
})

t.test('while eight views are being read, others are not queued', async (t) => {
  const clock = fakeClock(NOW)
  const store = Promise.withResolvers<void>()
  const asked: string[] = []
  const statistics = new Statistics({
    store: {
      async verified({ tenants = [] }) {
        await store.promise
        asked.push(...tenants)
        return { counts: [], next: null }
      },
    },
    clock,
    log: { info() {}, warn() {}, error() {} },
  })
  const names = Array.from({ length: 8 }, (_, index) => `tenant-${index}`)
  const waiting = names.map((name) => statistics.of('hour', [name]))
  t.equal((await statistics.of('hour', ['one-more'])).isComplete, false, 'answered at once')
  store.resolve()
  for (const { isComplete } of await Promise.all(waiting)) t.equal(isComplete, true)
  t.same([...new Set(asked)], names)
  t.equal((await statistics.of('hour', ['one-more'])).isComplete, true, 'once another is read')
  await statistics.stop()
})

t.test('keys with different tenants see different figures', async (t) => {
  const { of } = setUp(t, [
    { at: NOW - MINUTE_MS, ms: 1, tenant: 'acme' },
    { at: NOW - MINUTE_MS - 1, ms: 1 },
  ])
  t.equal((await of('hour', ['acme'])).total.verified, 1)
  t.equal((await of('hour', ['acme', 'default'])).total.verified, 2)
  t.equal((await of('hour', [])).total.verified, 0)
  t.equal((await of('hour')).total.verified, 2)
})

t.test('while the store pauses, an answer has what is counted, and says so', async (t) => {
  const { statistics, clock, rows } = setUp(t, [])
  for (let hour = 0; hour < 24; hour += 1) rows.push({ at: NOW - hour * 60 * MINUTE_MS - 1, ms: 1 })
  const slow = new Statistics({
    store: {
      async verified({ from }) {
        // The reading then pauses.
        clock.advance(10)
        return { counts: [{ minute: from / MINUTE_MS, bucket: 1, count: 1 }], next: null }
      },
    },
    clock,
    log: { info() {}, warn() {}, error() {} },
  })
  t.teardown(() => slow.stop())
  const answered = slow.of('day', undefined)
  await clock.timerOf('base/pause.ts')
  t.equal((await slow.of('day', undefined)).isComplete, false, 'only the first request waits for the rest')
  clock.advance(40)
  await clock.timerOf('base/pause.ts')
  clock.leap(250)
  const { isComplete, intervals, total } = await answered
  t.equal(isComplete, false)
  t.equal(intervals[0]?.summary, null)
  t.ok(total.verified > 0)
  await statistics.stop()
})

t.test('a failure is reported, and the next request tries again', async (t) => {
  const { of, fail, clock } = setUp(t, [])
  await of('hour')
  fail()
  clock.advance(5_000)
  await t.rejects(of('hour'), { message: 'unavailable' })
})
