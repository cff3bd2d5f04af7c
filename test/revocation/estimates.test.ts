import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Estimates, type EstimatesOptions } from '../../src/revocation/estimates.ts'
import type { QueueGroup } from '../../src/revocation/store/size-store.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { fakeClock } from '../support/clock.ts'
import { aSignal, T0 } from '../support/signals.ts'

const group: QueueGroup = {
  ...{ tenant: 'default', reason: 'logout', isRunning: false, size: 9, id: '1', count: 1 },
} as const

/** Estimates of a queue that a test changes; each permit takes a second. */
function open(different: Partial<EstimatesOptions> = {}) {
  const clock = fakeClock(T0)
  const queue: QueueGroup[] = []
  let readings = 0
  const warnings: string[] = []
  const log = { info: () => {}, warn: (_: object, text: string) => warnings.push(text), error: () => {} }
  const estimates = new Estimates({
    store: {
      queue: async () => {
        readings += 1
        return [...queue]
      },
    },
    clock,
    log,
    outlook: () => ({
      freeAt: (_kind, calls) => T0 + calls * 1_000,
      ...{ permits: 0, permitsPerWindow: 1, nextPermitAt: null, isRefused: false },
      blockedUntil: { reads: null, revocations: null },
    }),
    failing: () => null,
    remainingOf: () => null,
    ...different,
  })
  const seconds = () => {
    const at = estimates.estimate({ ...newRevocation('5', aSignal()), size: 10 })
    return at === null ? null : (at - T0) / 1_000
  }
  return { clock, queue, estimates, seconds, warnings, readings: () => readings }
}

t.test('an estimate follows from the latest reading of the queue', async (t) => {
  const { estimates, queue, seconds } = open()
  t.equal(seconds(), 10)
  await estimates.refresh()
  queue.push(group)
  t.equal(seconds(), 10)
  await estimates.refresh()
  t.equal(seconds(), 19)
  t.same([...estimates.tenants()], ['default'])
})

t.test('requests share a reading, and a reading that takes long is not awaited', async (t) => {
  const readings: ((groups: QueueGroup[]) => void)[] = []
  const queue = () => new Promise<QueueGroup[]>((resolve) => readings.push(resolve))
  const { estimates, clock, seconds } = open({ store: { queue } })
  const waiting = [estimates.refresh(), estimates.refresh()]
  t.equal(readings.length, 1)
  clock.advance(50)
  await Promise.all(waiting)
  t.equal(seconds(), 10)
  clock.advance(950)
  readings[0]?.([{ ...group, count: 1_000_000 }])
  await estimates.refresh()
  clock.advance(19_000)
  await estimates.refresh()
  t.equal(readings.length, 1, 'a reading of a second is repeated after 20 seconds')
  clock.advance(1_000)
  await estimates.refresh()
  t.equal(readings.length, 2)
  t.equal(seconds(), 9_000_010, 'from the last reading')
  readings[1]?.([group])
})

t.test(
  'if the last reading of a long queue is old, requests wait until a new one has taken 50 ms',
  async (t) => {
    const readings: ((groups: QueueGroup[]) => void)[] = []
    const queue = () => new Promise<QueueGroup[]>((resolve) => readings.push(resolve))
    const { estimates, clock, seconds } = open({ store: { queue } })
    const first = estimates.refresh()
    clock.advance(1_000)
    await first
    await estimates.refresh()
    t.equal(readings.length, 1, 'later requests do not wait for a reading that takes long')
    readings[0]?.([{ ...group, count: 1_000_000 }])
    await setImmediate()
    clock.advance(61_000)
    const waiting = estimates.refresh()
    t.equal(readings.length, 2)
    readings[1]?.([group])
    await waiting
    t.equal(seconds(), 19)
  },
)

t.test('a reading of a few revocations that waited for other work is repeated soon', async (t) => {
  const readings: ((groups: QueueGroup[]) => void)[] = []
  const queue = () => new Promise<QueueGroup[]>((resolve) => readings.push(resolve))
  const { estimates, clock, seconds } = open({ store: { queue } })
  const waiting = estimates.refresh()
  clock.advance(1_000)
  readings[0]?.([group])
  await waiting
  await estimates.refresh()
  t.equal(seconds(), 19)
  clock.advance(25)
  const refreshed = estimates.refresh()
  t.equal(readings.length, 2)
  clock.advance(50)
  await refreshed
})

t.test('a run knows better how many tokens remain', async (t) => {
  const { estimates, queue, seconds } = open({ remainingOf: (id) => (id === '1' ? 2 : null) })
  queue.push({ ...group, isRunning: true })
  await estimates.refresh()
  t.equal(seconds(), 12)
})

t.test('if the queue cannot be read, the last reading is used', async (t) => {
  let isBroken = false
  const { estimates, seconds, warnings } = open({
    store: {
      queue: async () => {
        if (isBroken) throw new Error('broken')
        return [group]
      },
    },
  })
  await estimates.refresh()
  isBroken = true
  await estimates.refresh()
  t.equal(seconds(), 19)
  t.match(warnings, [/could not read the queue/])
})

t.test('there is no estimate if nothing proceeds', async (t) => {
  t.equal(open({ failing: () => 'tenant-failing' }).seconds(), null)
  t.equal(open({ outlook: () => null }).seconds(), null)
})
