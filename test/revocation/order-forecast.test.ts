import fc from 'fast-check'
import t from 'tap'
import { drain, heavyTail, reserved, withReserve } from '../../bench/order-model.ts'
import { OrderForecast } from '../../src/revocation/order-forecast.ts'

/** An id of a revocation that is accepted in this ms, and the place of its id among others of the same ms. */
const idOf = (ms: number, place: number) =>
  `0000${String(ms).padStart(4, '0')}-0000-${String(place).padStart(8, '0')}`

/** Forecasts for users who are accepted in batches of this many in the same ms. */
function forecast(sizes: readonly number[], batch: number): number[] {
  const users = sizes.map((size, place) => ({ id: idOf(Math.floor(place / batch), place), size, count: 1 }))
  const order = new OrderForecast(users)
  return users.map(({ id, size }) => order.permitsUntil(size, id))
}

/** What the rule of the service does with the same users. */
const actual = (sizes: readonly number[], batch: number) =>
  drain(sizes, (waiting, granted) =>
    withReserve(
      waiting.map(({ remaining, since }) => ({ remaining, since: Math.floor(since / batch) })),
      granted,
    ),
  )

/** The share of forecasts that are within this share of what happened. */
const within = (most: number, forecasts: readonly number[], done: readonly number[]) =>
  forecasts.filter((value, index) => Math.abs(value - (done[index] ?? 0)) <= most * (done[index] ?? 0))
    .length / done.length

t.test('90 % of the forecasts are within 5 % of what the rule does, whatever the ages', async (t) => {
  for (const batch of [1, 10, 100, 500]) {
    const sizes = heavyTail(500, 3)
    const share = within(0.05, forecast(sizes, batch), actual(sizes, batch))
    t.ok(share >= 0.9, `${share} for ${batch} users in a ms`)
  }
})

t.test('sizes and ages may be related', async (t) => {
  const ascending = heavyTail(500, 4).sort((one, other) => one - other)
  for (const sizes of [ascending, ascending.toReversed()])
    t.ok(within(0.1, forecast(sizes, 1), reserved(sizes)) >= 0.9)
})

const Sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 60 })

t.test('users of the same ms are served in the order of size', async () => {
  fc.assert(
    fc.property(Sizes, (sizes) => {
      const done = actual(sizes, sizes.length)
      return forecast(sizes, sizes.length).every(
        (value, index) => Math.abs(value - (done[index] ?? 0)) < 0.01,
      )
    }),
  )
})

t.test('a group stands for its users', async (t) => {
  const order = new OrderForecast([
    { id: idOf(1, 0), size: 2, count: 10 },
    { id: idOf(2, 0), size: 2, count: 10 },
    { id: idOf(3, 0), size: 7, count: 1 },
  ])
  t.equal(order.permitsUntil(2, idOf(1, 0)), 2, 'the first of the group')
  t.ok(Math.abs(order.permitsUntil(2, idOf(1, 5)) - 10) < 2, 'in its middle')
  t.equal(order.permitsUntil(7, idOf(3, 0)), 47)
})

t.test('a user whom the forecast does not know takes the place of its size or age', async (t) => {
  const order = new OrderForecast([
    { id: idOf(1, 0), size: 3, count: 1 },
    { id: idOf(5, 0), size: 9, count: 1 },
  ])
  t.equal(order.permitsUntil(4, idOf(6, 0)), 7, 'after the one with fewer tokens')
  t.equal(order.permitsUntil(1, idOf(6, 0)), 1)
  t.equal(new OrderForecast([]).permitsUntil(5, idOf(1, 0)), 5)
})
