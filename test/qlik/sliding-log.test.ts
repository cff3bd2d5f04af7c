import fc from 'fast-check'
import t from 'tap'
import { SlidingLog } from '../../src/qlik/sliding-log.ts'

t.test('a call counts from its start until a window after its end', async (t) => {
  const log = new SlidingLog(2, 100)
  log.begin()
  t.equal(log.room(0), 1)
  t.equal(log.room(1_000), 1, 'as long as it is under way')
  log.end(1_000)
  t.equal(log.room(1_099), 1)
  t.equal(log.room(1_100), 2)
})

t.test('a call that was not made does not count', async (t) => {
  const log = new SlidingLog(1, 100)
  log.begin()
  t.equal(log.room(0), 0)
  log.cancel()
  t.equal(log.room(0), 1)
})

t.test('tells when the nth call is free', async (t) => {
  const log = new SlidingLog(3, 100)
  log.restore(10, 2)
  t.same(
    [1, 2, 3, 4, 5, 6].map((nth) => log.freeAt(nth, 20)),
    [20, 110, 110, 120, 210, 210],
  )
})

t.test('more restored calls than the limit leave no room, and no debt for ever', async (t) => {
  const log = new SlidingLog(2, 100)
  log.restore(0, 5)
  t.equal(log.room(50), 0)
  t.equal(log.room(100), 2)
})

t.test('whatever the latencies, no window of the tenant ever holds more than the limit', async (t) => {
  const call = fc.record({
    gap: fc.nat(40),
    latency: fc.nat(60),
    arrival: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(call, { maxLength: 60 }), (limit, calls) => {
      const windowMs = 100
      const log = new SlidingLog(limit, windowMs)
      const arrivals: number[] = []
      let ends: number[] = []
      let now = 0
      for (const { gap, latency, arrival } of calls) {
        now += gap
        for (const end of ends.filter((end) => end <= now).sort((a, b) => a - b)) log.end(end)
        ends = ends.filter((end) => end > now)
        if (log.room(now) === 0) continue
        log.begin()
        arrivals.push(now + arrival * latency)
        ends.push(now + latency)
      }
      return arrivals.every(
        (from) => arrivals.filter((at) => at >= from && at < from + windowMs).length <= limit,
      )
    }),
    { numRuns: 500 },
  )
  t.pass('500 random histories')
})
