import fc from 'fast-check'
import t from 'tap'
import {
  CLAIMED_BY_SIZE,
  fittingWindow,
  nextInLine,
  RESERVE_EVERY,
  remainingRoom,
  shareRoom,
  shareRoomBySize,
  urgencyOf,
} from '../../src/revocation/schedule.ts'
import { REASONS } from '../../src/revocation/signal.ts'

t.test('a security incident is more urgent than a logout, and a logout than an expiry', async (t) => {
  t.same(REASONS.map(urgencyOf), [0, 1, 2])
  t.same(REASONS, ['security', 'logout', 'session-expired'])
})

t.test('runs take room from their tenant only; a failing tenant has room for one run, or none', async (t) => {
  const room = remainingRoom(['a', 'a', 'b'], {
    perTenant: 2,
    failing: new Map([
      ['b', true],
      ['c', true],
      ['d', false],
    ]),
  })
  t.same(room, {
    total: 997,
    perTenant: 2,
    exceptions: new Map([
      ['a', 0],
      ['b', 0],
      ['c', 1],
      ['d', 0],
    ]),
  })
})

t.test('tenants share the room equally, within their own maximum', async (t) => {
  const room = {
    total: 9,
    perTenant: 4,
    exceptions: new Map([
      ['full', 0],
      ['few', 1],
    ]),
  }
  t.same(shareRoom(room, ['long', 'full', 'few', 'short']), [
    { tenant: 'long', limit: 3 },
    { tenant: 'few', limit: 1 },
    { tenant: 'short', limit: 3 },
  ])
  t.same(shareRoom({ ...room, total: 1 }, ['long', 'short']), [{ tenant: 'long', limit: 1 }])
  t.same(shareRoom({ ...room, total: 0 }, ['long']), [])
  t.same(shareRoom(room, []), [])
})

t.test(
  'tenants share the room by size; with less room than tenants, the first ones with fitting users',
  async (t) => {
    const take = (tenant: string, sizes: readonly number[]) => (tenant === 'failing' ? 0 : sizes.length)
    const sizes = (limit: number) => Array.from({ length: limit }, () => 1)
    const shares = (total: number, tenants: string[]) =>
      shareRoomBySize({ total, take }, tenants, (_, limit) => sizes(limit))
    t.same(shares(9, ['one', 'other']), [
      { tenant: 'one', count: 4 },
      { tenant: 'other', count: 4 },
    ])
    t.same(shares(1_000, ['one']), [{ tenant: 'one', count: CLAIMED_BY_SIZE }])
    t.same(shares(1, ['failing', 'one', 'other']), [{ tenant: 'one', count: 1 }])
    t.same(shares(0, ['one']), [])
    t.same(shares(9, []), [])
  },
)

/** Users with these numbers of tokens, oldest first, all known; returns the permit at which each has none left. */
function drain(sizes: readonly number[]): number[] {
  const users = sizes.map((remaining, since) => ({ urgency: 1, place: { remaining, since } }))
  const doneAt: number[] = sizes.map(() => 0)
  for (let granted = 0; ; granted += 1) {
    const waiting = users.filter(({ place }) => place.remaining > 0)
    const next = waiting[nextInLine(waiting, granted)]
    if (!next) return doneAt
    next.place.remaining -= 1
    if (next.place.remaining === 0) doneAt[next.place.since] = granted + 1
  }
}

const Sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 })

t.test('the fewest tokens first: within 1 / 0.9 of the optimal mean', async (t) => {
  fc.assert(
    fc.property(Sizes, (sizes) => {
      const ascending = [...sizes].sort((a, b) => a - b)
      let sum = 0
      const optimum = ascending.reduce((total, size) => {
        sum += size
        return total + sum
      }, 0)
      const total = drain(sizes).reduce((a, b) => a + b, 0)
      return total <= optimum / 0.9 + RESERVE_EVERY * sizes.length
    }),
  )
  t.same(drain([5, 1, 2]), [8, 1, 3])
})

t.test(
  'nobody starves: with P tokens of older users ahead, k tokens are gone after 10 (P + k) permits',
  async (t) => {
    fc.assert(
      fc.property(Sizes, (sizes) => {
        let ahead = 0
        return drain(sizes).every((doneAt, index) => {
          ahead += sizes[index] ?? 0
          return doneAt <= RESERVE_EVERY * ahead
        })
      }),
    )
    const young = Array.from({ length: 200 }, () => 1)
    t.equal(drain([10, ...young])[0], 91, 'each tenth permit, until its last token is as good as any')
  },
)

t.test('of users of the same age, the reserve goes to the one with the fewest tokens', async (t) => {
  const user = (remaining: number, since: number) => ({ urgency: 1, place: { remaining, since } })
  const waiting = [user(1, 9), user(500, 3), user(2, 3)]
  t.equal(nextInLine(waiting, RESERVE_EVERY - 1), 2)
  t.equal(nextInLine(waiting, 0), 0)
})

t.test('every waiting call is served once, and the more urgent before the others', async (t) => {
  const Calls = fc.array(
    fc.record({
      urgency: fc.integer({ min: 0, max: 2 }),
      place: fc.option(fc.record({ remaining: fc.nat(5), since: fc.nat(5) }), { nil: undefined }),
    }),
    { maxLength: 40 },
  )
  fc.assert(
    fc.property(Calls, (calls) => {
      const waiting = [...calls]
      const served = calls.map((_, granted) => waiting.splice(nextInLine(waiting, granted), 1)[0])
      const urgencies = served.map((one) => one?.urgency ?? -1)
      return (
        new Set(served).size === calls.length &&
        urgencies.every((one, i) => i === 0 || one >= (urgencies[i - 1] ?? 0))
      )
    }),
  )
  t.equal(nextInLine([], 0), -1)
})

t.test('calls without a place come before those with one, in order of arrival', async (t) => {
  const place = { remaining: 1, since: 0 }
  t.equal(nextInLine([{ urgency: 1, place }, { urgency: 1 }, { urgency: 1 }], 0), 1)
  t.equal(nextInLine([{ urgency: 1, place }, { urgency: 1 }, { urgency: 1 }], RESERVE_EVERY - 1), 1)
})

const Runs = fc.array(
  fc.record({
    size: fc.option(fc.nat(30), { nil: null }),
    remaining: fc.option(fc.nat(30), { nil: null }),
  }),
  { maxLength: 30 },
)
const Queue = fc.array(fc.nat(30), { maxLength: 30 }).map((sizes) => sizes.sort((a, b) => a - b))
const Permits = fc.integer({ min: 1, max: 60 })

t.test('claims by size fill the next window with the fewest tokens, and no more', async (t) => {
  fc.assert(
    fc.property(Queue, Runs, Permits, (sizes, running, permits) => {
      const count = fittingWindow(sizes, running, permits)
      const tokens = (index: number) => {
        const most = sizes[index] ?? 0
        const runs = running
          .map(({ remaining, size }) => ({ tokens: remaining ?? size ?? 1, size }))
          .filter(({ tokens, size }) => tokens <= most || (size !== null && size <= most))
          .map(({ tokens }) => tokens)
        return [...runs, ...sizes.slice(0, index)].reduce((a, b) => a + b, 0)
      }
      return (
        (count === 0 || tokens(count - 1) < permits) && (count === sizes.length || tokens(count) >= permits)
      )
    }),
  )
  t.equal(fittingWindow([1, 1], [{ size: 500, remaining: 500 }], 500), 2, 'a large run delays no small user')
  t.equal(fittingWindow([600], [{ size: 500, remaining: 500 }], 500), 0)
  t.equal(fittingWindow([0, 0], [{ size: 1, remaining: null }], 1), 2, 'users without tokens always fit')
  const grown = Array.from({ length: 5 }, () => ({ size: 0, remaining: 1 }))
  t.equal(
    fittingWindow([0], grown, 5),
    0,
    'users who got a token since they were counted take up their permits',
  )
  t.equal(fittingWindow([1], [], 0), 0, 'an unknown limit leaves the order of age')
})
