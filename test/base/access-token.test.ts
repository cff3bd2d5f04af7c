import t from 'tap'
import { AccessTokenCache } from '../../src/base/access-token.ts'
import { fakeClock } from '../support/clock.ts'

const HOUR = 3_600_000

function setUp({ lifetimeMs = HOUR } = {}) {
  const clock = fakeClock()
  const answers: (() => Promise<void>)[] = []
  const renewalFailures: unknown[] = []
  let fetched = 0
  const cache = new AccessTokenCache(
    async () => {
      fetched += 1
      const value = `token-${fetched}`
      await answers.shift()?.()
      return { value, lifetimeMs }
    },
    { clock, onRenewalFailure: (error) => renewalFailures.push(error) },
  )
  const get = async () => (await cache.get()).value
  const current = () => cache.current()?.value ?? null
  const invalidate = (value: string) => cache.invalidate(value)
  return { clock, cache: { get, current, invalidate }, answers, renewalFailures, fetched: () => fetched }
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

t.test('is fetched once for any number of callers', async (t) => {
  const { cache, fetched } = setUp()
  const values = await Promise.all(Array.from({ length: 100 }, () => cache.get()))
  t.same(new Set(values), new Set(['token-1']))
  t.equal(await cache.get(), 'token-1')
  t.equal(fetched(), 1)
})

t.test('is renewed in the background before it expires, while the old one is still used', async (t) => {
  const { clock, cache } = setUp()
  await cache.get()
  clock.advance(0.91 * HOUR)
  t.equal(await cache.get(), 'token-1')
  await settle()
  t.equal(await cache.get(), 'token-2')
})

t.test('is not used in its last seconds', async (t) => {
  const { clock, cache } = setUp()
  await cache.get()
  clock.advance(HOUR - 5_000)
  t.equal(cache.current(), null)
  t.equal(await cache.get(), 'token-2')
})

t.test('a jump of the wall clock, in either direction, renews it; so does a sleep', async (t) => {
  for (const move of [2 * HOUR, -2 * HOUR]) {
    const { clock, cache } = setUp()
    await cache.get()
    clock.jump(move)
    t.equal(await cache.get(), 'token-2', String(move))
  }
})

t.test('a short-lived token is used almost until it expires', async (t) => {
  const { clock, cache } = setUp({ lifetimeMs: 1_000 })
  await cache.get()
  clock.advance(850)
  t.equal(cache.current(), 'token-1')
  clock.advance(60)
  t.equal(cache.current(), null)
})

t.test('a failure rejects all waiting callers and is not cached', async (t) => {
  const { cache, answers, fetched } = setUp()
  answers.push(() => Promise.reject(new Error('down')))
  const results = await Promise.allSettled([cache.get(), cache.get()])
  t.same(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  t.equal(fetched(), 1)
  t.equal(await cache.get(), 'token-2')
})

t.test('a failed early renewal is reported, and not repeated at every call', async (t) => {
  const { clock, cache, answers, renewalFailures, fetched } = setUp()
  await cache.get()
  clock.advance(0.95 * HOUR)
  answers.push(() => Promise.reject(new Error('down')))
  for (let index = 0; index < 5; index += 1) {
    t.equal(await cache.get(), 'token-1')
    await settle()
  }
  t.equal(renewalFailures.length, 1)
  t.equal(fetched(), 2)
  clock.advance(10_000)
  await cache.get()
  await settle()
  t.equal(await cache.get(), 'token-3')
})

t.test('a rejected token is discarded, but not its successor', async (t) => {
  const { cache, fetched } = setUp()
  const first = await cache.get()
  cache.invalidate(first)
  t.equal(await cache.get(), 'token-2')
  cache.invalidate(first)
  t.equal(await cache.get(), 'token-2')
  t.equal(fetched(), 2)
})
