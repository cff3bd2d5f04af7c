import fc from 'fast-check'
import t from 'tap'
import { RateLimiter } from '../../src/sandbox/rate-limiter.ts'

t.test('the window slides: each call expires on its own', async (t) => {
  const limiter = new RateLimiter({ 1: 10, 2: 2 }, 10_000)
  t.equal(limiter.take('bot', 2, 0), 0)
  t.equal(limiter.take('bot', 2, 6_000), 0)
  t.equal(limiter.take('bot', 2, 9_000), 1, 'the first call leaves the window at 10 s')
  t.equal(limiter.take('bot', 2, 10_000), 0)
  t.equal(limiter.take('bot', 2, 10_000), 6, 'the second one leaves it at 16 s')
})

t.test('the seconds to wait are rounded up, and the tier stays closed until they have passed', async (t) => {
  const limiter = new RateLimiter({ 1: 10, 2: 1 }, 10_000)
  limiter.take('bot', 2, 0)
  t.equal(limiter.take('bot', 2, 8_900), 2)
  t.equal(limiter.take('bot', 2, 10_000), 1, 'the call is free, but the announced time is not over')
  t.equal(limiter.take('bot', 2, 10_900), 0)
})

t.test('a window of a second is announced as a second', async (t) => {
  const limiter = new RateLimiter({ 1: 1, 2: 1 }, 1_000)
  limiter.take('bot', 1, 0)
  t.equal(limiter.take('bot', 1, 1), 1)
})

t.test('each tier and each user has a separate limit', async (t) => {
  const limiter = new RateLimiter({ 1: 1, 2: 1 }, 10_000)
  t.equal(limiter.take('bot', 2, 0), 0)
  t.not(limiter.take('bot', 2, 0), 0)
  t.equal(limiter.take('bot', 1, 0), 0)
  t.equal(limiter.take('other', 2, 0), 0)
})

t.test('a block closes the tier although calls are left', async (t) => {
  const limiter = new RateLimiter({ 1: 10, 2: 10 }, 10_000)
  limiter.block('bot', 2, 0, 30)
  t.equal(limiter.take('bot', 2, 29_000), 1)
  t.equal(limiter.take('bot', 2, 30_000), 0)
})

t.test('a block can be lifted early; counted calls still count', async (t) => {
  const limiter = new RateLimiter({ 1: 10, 2: 1 }, 10_000)
  limiter.take('bot', 2, 0)
  limiter.block('bot', 2, 0, 99_999_999_999)
  limiter.block('bot', 1, 0, 99_999_999_999)
  limiter.lift('bot', 1)
  limiter.lift('bot', 2)
  t.equal(limiter.take('bot', 1, 1_000), 0)
  t.equal(limiter.take('bot', 2, 1_000), 9)
})

t.test('however calls are spread, no window holds more than the limit', async (t) => {
  const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 300 })
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 20 }), (waits, limit) => {
        const limiter = new RateLimiter({ 1: limit, 2: limit }, 1_000)
        const passed: number[] = []
        let now = 0
        for (const wait of waits) {
          now += wait
          if (limiter.take('bot', 1, now) === 0) passed.push(now)
        }
        return passed.every(
          (time) => passed.filter((other) => other > time - 1_000 && other <= time).length <= limit,
        )
      }),
    ),
  )
})

t.test('a client that waits for the announced time is never rejected twice', async (t) => {
  const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 300 })
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 20 }), (waits, limit) => {
        const limiter = new RateLimiter({ 1: limit, 2: limit }, 1_500)
        let now = 0
        return waits.every((wait) => {
          now += wait
          const seconds = limiter.take('bot', 1, now)
          now += seconds * 1_000
          return seconds === 0 || limiter.take('bot', 1, now) === 0
        })
      }),
    ),
  )
})

t.test('a long run of calls stays within its limit', async (t) => {
  const limiter = new RateLimiter({ 1: 1_000, 2: 1 }, 1_000)
  for (let now = 0; now < 5_000; now += 1) if (limiter.take('bot', 1, now) > 0) t.fail(`refused at ${now}`)
  t.equal(limiter.take('bot', 1, 4_999), 1, 'now the window is full')
})
