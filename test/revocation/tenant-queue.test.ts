import fc from 'fast-check'
import t from 'tap'
import { drain, heavyTail, randomFrom, reserved, withReserve } from '../../bench/order-model.ts'
import type { Reason } from '../../src/revocation/signal.ts'
import type { QueueGroup } from '../../src/revocation/store/size-store.ts'
import { TenantQueue } from '../../src/revocation/tenant-queue.ts'

const idOf = (index: number) => String(index).padStart(8, '0')

function group(index: number, different: Partial<QueueGroup> = {}): QueueGroup {
  return { tenant: 't', reason: 'logout', isRunning: false, size: 1, id: idOf(index), count: 1, ...different }
}

/** Users with these numbers of tokens, the oldest first. */
function queueOf(sizes: readonly (number | null)[], different: Partial<QueueGroup> = {}): TenantQueue {
  return new TenantQueue(sizes.map((size, index) => group(index, { ...different, size })))
}

const permits = (queue: TenantQueue, index: number, size: number | null, reason: Reason = 'logout') =>
  queue.permitsUntil({ id: idOf(index), size, reason })

/** Error of each prediction, relative to what happened. */
function errors(predicted: readonly number[], actual: readonly number[]): number[] {
  return actual
    .map((value, index) => Math.abs((predicted[index] ?? 0) - value) / value)
    .sort((one, other) => one - other)
}

const share = (values: readonly number[], most: number) =>
  values.filter((value) => value <= most).length / values.length

const predictAll = (sizes: readonly number[]) => {
  const queue = queueOf(sizes)
  return sizes.map((size, index) => permits(queue, index, size))
}

t.test('predicts what the simulation of the order shows', async (t) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const sizes = heavyTail(2_000, seed)
    const found = errors(predictAll(sizes), reserved(sizes))
    t.ok(share(found, 0.05) >= 0.9, `${share(found, 0.05)} within 5 %`)
    t.ok(share(found, 0.2) >= 0.99, `${share(found, 0.2)} within 20 %`)
  }
})

t.test('also during a drain, when the users with few tokens are gone', async (t) => {
  const sizes = heavyTail(2_000, 6)
  const doneAt = reserved(sizes)
  for (const now of [1_000, 3_000, 6_000]) {
    const left = sizes
      .map((size, index) => ({ size, index }))
      .filter(({ index }) => (doneAt[index] ?? 0) > now)
    const rest = left.map(({ size }) => size)
    const found = errors(predictAll(rest), reserved(rest))
    t.ok(share(found, 0.2) >= 0.5, `${share(found, 0.2)} within 20 % after ${now} permits`)
    t.ok(share(found, 0.5) >= 0.9, `${share(found, 0.5)} within 50 % after ${now} permits`)
  }
})

const anySizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 60 })), {
  minLength: 1,
  maxLength: 60,
})

t.test('for any sizes, predictions are possible', async () => {
  fc.assert(
    fc.property(anySizes, (sizes) => {
      const total = sizes.reduce((one, other) => one + other, 0)
      const predicted = predictAll(sizes)
      const isPossible = predicted.every((value, index) => value >= (sizes[index] ?? 0) && value <= total)
      return isPossible && queueOf(sizes).permits === total
    }),
  )
})

t.test('for any sizes, no prediction is far from the rule of the service', async () => {
  fc.assert(
    fc.property(anySizes, fc.integer(), (sizes, seed) => {
      // In random order: the formula assumes that size and age are independent.
      const random = randomFrom(seed)
      const mixed = sizes
        .map((size) => ({ size, key: random() }))
        .sort((one, other) => one.key - other.key)
        .map(({ size }) => size)
      const total = mixed.reduce((one, other) => one + other, 0)
      const found = drain(mixed, withReserve).map((value, index) =>
        Math.abs(value - (predictAll(mixed)[index] ?? 0)),
      )
      return found.reduce((one, other) => one + other, 0) / found.length <= Math.max(3, total * 0.15)
    }),
    { numRuns: 50 },
  )
})

t.test('of two users, the one with fewer tokens is not later, nor is the older of equals', async () => {
  fc.assert(
    fc.property(anySizes, (sizes) => {
      const queue = queueOf(sizes)
      const at = sizes.length >> 1
      const own = sizes[at] ?? 1
      const isSmallerFirst = permits(queue, at, own) <= permits(queue, at, own + 1)
      return isSmallerFirst && permits(queue, at, own) <= permits(queue, at + 1, own)
    }),
  )
})

t.test('more urgent revocations come first, and less urgent ones do not count', async (t) => {
  const queue = new TenantQueue([
    group(0, { reason: 'session-expired', size: 50 }),
    group(1, { reason: 'security', size: 30 }),
    group(2, { size: 2 }),
  ])
  t.equal(permits(queue, 1, 30, 'security'), 30)
  t.equal(permits(queue, 2, 2), 32)
  t.equal(permits(queue, 0, 50, 'session-expired'), 82)
  t.equal(queue.permits, 82)
})

t.test('one user with many tokens delays the others by the reserve only', async (t) => {
  const queue = queueOf([5_000, ...Array<number>(999).fill(1)])
  for (const index of [1, 500, 999]) {
    const predicted = permits(queue, index, 1)
    t.ok(predicted >= index && predicted <= index * 1.2 + 1, `${predicted} for the user at ${index}`)
  }
  t.ok(permits(queue, 0, 5_000) > 5_900)
})

t.test('unknown sizes follow the distribution that was measured', async (t) => {
  const ended = new Map([[4, 10]])
  const groups = Array.from({ length: 5 }, (_, index) => group(index, { size: null }))
  const queue = new TenantQueue(groups, ended)
  t.equal(queue.permits, 20)
  t.equal(permits(queue, 4, null), 20)
  t.same(queue.countsOf('logout'), { queued: 5, running: 0, knownTokens: 0, uncounted: 5 })
  t.equal(new TenantQueue(groups).permits, 5, 'one token each until something is measured')
})

t.test('a large group is as precise as its parts', async (t) => {
  const whole = new TenantQueue([group(0, { count: 1_000 }), group(1_000, { count: 1_000 })])
  t.ok(Math.abs(permits(whole, 1_500, 1) - 1_500) < 100)
  t.ok(permits(whole, 0, 1) <= 2)
})

t.test('a user without tokens needs no permit, but a read', async (t) => {
  const queue = queueOf([0, null, 0, 7])
  t.equal(permits(queue, 2, 0), 0)
  t.equal(queue.readsUntil({ id: idOf(2), size: 0, reason: 'logout' }), 3)
  t.equal(queue.readsUntil({ id: idOf(3), size: 7, reason: 'logout' }), 0)
})

t.test('the oldest queued revocation is not one that runs', async (t) => {
  const queue = new TenantQueue([group(0, { isRunning: true }), group(2), group(1)])
  t.equal(queue.oldestQueued, idOf(1))
  t.equal(new TenantQueue([]).oldestQueued, null)
})
