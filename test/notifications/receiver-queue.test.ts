import t, { type Test } from 'tap'
import { ReceiverQueue } from '../../src/notifications/receiver-queue.ts'
import type { Sent } from '../../src/notifications/send.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { fakeClock } from '../support/clock.ts'
import { aReceiver } from '../support/receivers.ts'
import { databaseUrl } from '../support/service.ts'
import { T0 } from '../support/signals.ts'

const OK: Sent = { ok: true, httpStatus: 200 }
const failure = (code: 'CURFEW_RECEIVER_STATUS' | 'CURFEW_RECEIVER_GONE'): Sent => ({
  ...{ ok: false, code, httpStatus: code === 'CURFEW_RECEIVER_GONE' ? 410 : 500, askedMs: 0 },
})

/** A queue of a real store with this many notifications. `answer` decides about each attempt. */
async function start(t: Test, count: number) {
  const clock = fakeClock(T0)
  const store = openSqliteStore(databaseUrl(t).slice('sqlite:'.length), clock)
  t.teardown(() => store.close())
  const attempts: { id: string; at: number }[] = []
  const results: string[] = []
  const lines: string[] = []
  const state = { answer: async (): Promise<Sent> => OK }
  const log = (_: object, message: string) => void lines.push(message)
  const queue = new ReceiverQueue(aReceiver(), {
    store: store.notifications,
    send:
      () =>
      async (_receiver, { id }) => {
        attempts.push({ id, at: clock.now() })
        return state.answer()
      },
    now: clock.now,
    clock,
    random: () => 0.5,
    log: { info: log, warn: log, error: log },
    onAttempt: (_receiver, _type, result) => void results.push(result),
  })
  const about = { tenant: null, revocation: null, user: null, data: '{}' }
  await store.notifications.add(
    Array.from(
      { length: count },
      () => ({ receiver: 'siem', type: 'source.rejected', at: T0, ...about }) as const,
    ),
  )
  /** Polls, and waits until nothing more happens. */
  const settle = async () => {
    queue.poll()
    for (let idle = 0, before = -1; idle < 20; before = attempts.length + results.length) {
      await new Promise((resolve) => setImmediate(resolve))
      idle = attempts.length + results.length === before ? idle + 1 : 0
    }
  }
  return { clock, store, queue, attempts, results, lines, state, settle }
}

t.test('everything is delivered, a limited number at a time', async (t) => {
  const { store, state, settle, results, queue } = await start(t, 30)
  let inFlight = 0
  let most = 0
  state.answer = async () => {
    inFlight += 1
    most = Math.max(most, inFlight)
    await new Promise((resolve) => setImmediate(resolve))
    inFlight -= 1
    return OK
  }
  await settle()
  t.equal(results.length, 30)
  t.ok(results.every((result) => result === 'delivered'))
  t.equal(most, 8)
  t.match(await store.notifications.backlog(), [])
  t.match(queue.health(), { state: 'ok', lastDeliveredAt: T0, lastFailure: null })
})

t.test('a receiver that is down costs one attempt per minute, and recovers', async (t) => {
  const { clock, queue, store, attempts, state, settle, lines, results } = await start(t, 100)
  state.answer = async () => failure('CURFEW_RECEIVER_STATUS')
  await settle()
  const first = attempts.length
  t.ok(first >= 5 && first <= 12, `${first} attempts until it was failing`)
  t.equal(queue.health().state, 'failing')
  for (let minute = 1; minute <= 10; minute += 1) {
    clock.leap(59_999)
    await settle()
    t.equal(attempts.length, first + minute - 1)
    clock.leap(1)
    await settle()
    t.equal(attempts.length, first + minute)
  }
  const { items } = await store.notifications.list({ limit: 200 })
  const claims = items.reduce((sum, one) => sum + one.attempts, 0)
  t.equal(claims, attempts.length, 'nothing is claimed in vain')
  state.answer = async () => OK
  clock.leap(61_000)
  await settle()
  t.equal(queue.health().state, 'ok')
  t.ok(results.filter((result) => result === 'delivered').length > 80)
  t.same(lines, ['a receiver of notifications fails', 'a receiver of notifications works again'])
})

t.test('500 for days: it is retried for three days with one id, then given up', async (t) => {
  const { clock, store, attempts, state, settle, results } = await start(t, 1)
  state.answer = async () => failure('CURFEW_RECEIVER_STATUS')
  const statusOf = async () => (await store.notifications.list({ limit: 1 })).items[0]?.status
  for (let hours = 0; (await statusOf()) === 'pending' && hours < 100; hours += 1) {
    await settle()
    clock.leap(60 * 60_000)
  }
  t.equal(await statusOf(), 'failed')
  t.equal(new Set(attempts.map(({ id }) => id)).size, 1)
  t.ok(attempts.length >= 8 && attempts.length <= 12, `${attempts.length} attempts`)
  const days = ((attempts.at(-1)?.at ?? 0) - T0) / (24 * 60 * 60_000)
  t.ok(days >= 3 && days < 3.1, `${days} days`)
  t.equal(results.at(-1), 'failed')
  await settle()
  t.equal(results.filter((result) => result === 'failed').length, 1)
})

t.test('410 pauses the receiver', async (t) => {
  const { clock, queue, attempts, state, settle, store } = await start(t, 1)
  state.answer = async () => failure('CURFEW_RECEIVER_GONE')
  await settle()
  clock.leap(24 * 60 * 60_000)
  await settle()
  t.equal(attempts.length, 1)
  t.equal(queue.health().state, 'paused')
  t.match(await store.notifications.backlog(), [{ pending: 1 }])
})

for (const [answer, status] of [
  [OK, 'delivered'],
  [failure('CURFEW_RECEIVER_STATUS'), 'pending'],
] as const)
  t.test(`a stopped queue claims nothing, and reports what is still delivered: ${status}`, async (t) => {
    const { queue, attempts, state, settle, store } = await start(t, 1)
    const sending = Promise.withResolvers<Sent>()
    state.answer = () => sending.promise
    queue.poll()
    while (attempts.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const stopped = queue.stop()
    sending.resolve(answer)
    await stopped
    await settle()
    t.equal(attempts.length, 1)
    t.match((await store.notifications.list({ limit: 1 })).items, [{ status, attempts: 1, code: null }])
  })
