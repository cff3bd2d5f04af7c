import fc from 'fast-check'
import t from 'tap'
import { ClockOffset, DRIFT } from '../../src/base/clock-offset.ts'
import { widthOf } from '../../src/base/interval.ts'
import { fakeClock } from '../support/clock.ts'

/** The initial monotonic time of the fake clock. */
const START = fakeClock().monotonic()
const SECOND = 1_000

/** One exchange with a clock that read `at` when the response was written, with the precision of a `Date` header. */
function exchange(
  { clock, offset }: ReturnType<typeof measuring>,
  { at, thereMs = 0, backMs = 0 }: { at: number; thereMs?: number; backMs?: number },
) {
  const end = offset.begin()
  clock.advance(thereMs + backMs)
  const date = Math.floor(at / SECOND) * SECOND
  end({ earliest: date, latest: date + SECOND })
}

function measuring() {
  const clock = fakeClock()
  return { clock, offset: new ClockOffset(clock) }
}

t.test('one response bounds the offset by the times of request and response', async (t) => {
  const m = measuring()
  t.equal(m.offset.interval(), null, 'nothing is known before')
  exchange(m, { at: 100_400, thereMs: 30, backMs: 70 })
  const interval = m.offset.interval()
  t.ok(interval && Math.abs(interval.earliest - (100_000 - (START + 100))) < 0.1)
  t.ok(interval && Math.abs(interval.latest - (101_000 - START)) < 0.1)
})

t.test(
  'an answer that arrives 8 s after its Date leaves the truth in, and a quick one narrows it',
  async (t) => {
    const m = measuring()
    const ahead = 60_000 - START
    exchange(m, { at: START + ahead, backMs: 8_000 })
    const wide = m.offset.interval()
    t.ok(wide && wide.earliest <= ahead && ahead <= wide.latest)
    t.ok(wide && widthOf(wide) >= 9_000)
    exchange(m, { at: m.clock.monotonic() + ahead })
    const narrow = m.offset.interval()
    t.ok(narrow && narrow.earliest <= ahead && ahead <= narrow.latest)
    t.ok(narrow && widthOf(narrow) <= 1_001)
  },
)

t.test('several responses bound the offset more tightly than each alone', async (t) => {
  const m = measuring()
  const ahead = 60_250 - START
  for (const pauseMs of [0, 300, 330, 410, 270]) {
    m.clock.advance(pauseMs)
    exchange(m, { at: m.clock.monotonic() + ahead })
  }
  const interval = m.offset.interval()
  t.ok(interval && interval.earliest <= ahead && ahead <= interval.latest)
  t.ok(interval && widthOf(interval) < 400)
})

t.test('a response that contradicts earlier ones replaces them: a clock was set', async (t) => {
  const m = measuring()
  exchange(m, { at: 60_000 })
  exchange(m, { at: 660_000 })
  t.ok((m.offset.interval()?.earliest ?? 0) > 600_000)
})

t.test('a measurement loses precision with age until it expires', async (t) => {
  const m = measuring()
  exchange(m, { at: 60_000 })
  const fresh = m.offset.interval()
  m.clock.advance(3_600_000)
  const aged = m.offset.interval()
  t.ok(fresh && aged && Math.abs(widthOf(aged) - widthOf(fresh) - 2 * DRIFT * 3_600_000) < 0.001)
  m.clock.advance(4 * 3_600_000)
  t.not(m.offset.interval(), null)
  m.clock.advance(1)
  t.equal(m.offset.interval(), null)
})

t.test('a wall clock step or a suspend discards the measurements', async (t) => {
  for (const jump of [-600_000, 600_000]) {
    const m = measuring()
    exchange(m, { at: 60_000 })
    m.clock.jump(jump)
    t.equal(m.offset.interval(), null)
    exchange(m, { at: 60_000 })
    t.not(m.offset.interval(), null, 'the next answer measures again')
  }
})

t.test('a response is ignored if the machine slept during the exchange', async (t) => {
  const { clock, offset } = measuring()
  const end = offset.begin()
  clock.jump(30_000)
  end({ earliest: 60_000, latest: 61_000 })
  t.equal(offset.interval(), null)
})

t.test('an NTP correction widens the interval by the amount of the correction', async (t) => {
  const m = measuring()
  exchange(m, { at: 60_000 })
  m.clock.jump(200)
  const interval = m.offset.interval()
  t.ok(interval && Math.abs(widthOf(interval) - 1_400) < 0.1)
})

t.test('the true offset stays inside the interval for any delay and drift', async (t) => {
  const delay = fc.integer({ min: 0, max: 9_000 })
  const step = fc.record({ pauseMs: fc.integer({ min: 0, max: 3_600_000 }), thereMs: delay, backMs: delay })
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 20 }),
        fc.double({ min: -DRIFT, max: DRIFT, noNaN: true }),
        fc.integer({ min: 10_000, max: 1e12 }),
        (steps, drift, ahead) => {
          const m = measuring()
          const truth = () => ahead + drift * (m.clock.monotonic() - START)
          for (const { pauseMs, thereMs, backMs } of steps) {
            m.clock.advance(pauseMs)
            const end = m.offset.begin()
            m.clock.advance(thereMs)
            const date = Math.floor((m.clock.monotonic() + truth()) / SECOND) * SECOND
            m.clock.advance(backMs)
            end({ earliest: date, latest: date + SECOND })
            const interval = m.offset.interval()
            if (!interval || truth() < interval.earliest - 1e-3 || truth() > interval.latest + 1e-3)
              return false
          }
          return true
        },
      ),
    ),
  )
})
