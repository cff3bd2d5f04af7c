import t, { type Test } from 'tap'
import { steadyNow } from '../../src/base/clock.ts'
import { Deliveries } from '../../src/notifications/deliveries.ts'
import { openSqliteStore } from '../../src/stores/sqlite/store.ts'
import { fakeClock } from '../support/clock.ts'
import { startReceiver } from '../support/receiver.ts'
import { aReceiver } from '../support/receivers.ts'
import { databaseUrl } from '../support/service.ts'
import { T0 } from '../support/signals.ts'

const HOUR_MS = 60 * 60_000
const ABOUT = { type: 'source.rejected', tenant: null, revocation: null, user: null, data: '{}' } as const

function start(t: Test) {
  const clock = fakeClock(T0)
  const store = openSqliteStore(databaseUrl(t).slice('sqlite:'.length), clock).notifications
  const results: string[] = []
  const deliveries = new Deliveries({
    ...{ store, now: steadyNow(clock), clock, random: () => 0.5 },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    onAttempt: (receiver, _type, result) => void results.push(`${receiver} ${result}`),
  })
  t.teardown(async () => {
    const stopped = deliveries.stop()
    clock.advance(2_000)
    await stopped
  })
  const add = (receiver: string) => store.add([{ receiver, at: clock.now(), ...ABOUT }])
  /** Resolves when this many attempts were reported. */
  const reported = async (count: number) => {
    while (results.length < count) await new Promise((resolve) => setImmediate(resolve))
  }
  return { clock, store, deliveries, results, add, reported }
}

t.test('a slow receiver does not delay another one', async (t) => {
  const { deliveries, add, reported, results } = start(t)
  const [slow, fast] = [await startReceiver(t), await startReceiver(t)]
  slow.answer = () => {}
  const list = [aReceiver({ name: 'slow', url: slow.url }), aReceiver({ name: 'fast', url: fast.url })]
  deliveries.replace({ list, networks: ['127.0.0.1'] })
  for (let count = 0; count < 20; count += 1) {
    await add('slow')
    await add('fast')
  }
  deliveries.start()
  await reported(20)
  t.ok(results.every((result) => result === 'fast delivered'))
  await slow.got(8)
  t.equal(slow.requests.length, 8)
})

t.test('a receiver that has fallen behind is a warning', async (t) => {
  const { clock, deliveries, add, reported } = start(t)
  const receiver = await startReceiver(t)
  receiver.answer = (response) => void response.writeHead(500).end()
  const list = [aReceiver({ url: receiver.url })]
  deliveries.replace({ list, networks: ['127.0.0.1'] })
  await add('siem')
  deliveries.start()
  await reported(1)
  t.same(deliveries.checks(), [])
  for (let polls = 0; polls <= 12 || deliveries.checks().length === 0; polls += 1) {
    clock.leap(HOUR_MS / 10)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  t.match(deliveries.checks(), [{ name: 'receiver:siem', status: 'warning', detail: /: CURFEW_RECEIVER_/ }])
})

t.test('a reload keeps the state of unchanged receivers, and forgets that of changed ones', async (t) => {
  const { clock, deliveries, add, reported, results } = start(t)
  const receiver = await startReceiver(t)
  receiver.answer = (response) => void response.writeHead(410).end()
  const networks = ['127.0.0.1']
  const list = [aReceiver({ url: receiver.url })]
  deliveries.replace({ list, networks })
  await add('siem')
  deliveries.start()
  await reported(1)
  t.equal(deliveries.healthOf('siem')?.state, 'paused')
  deliveries.replace({ list, networks })
  t.equal(deliveries.healthOf('siem')?.state, 'paused')
  receiver.answer = (response) => void response.writeHead(204).end()
  clock.advance(10_000)
  deliveries.replace({ list: [aReceiver({ url: `${receiver.url}/new` })], networks })
  await reported(2)
  t.same(results, ['siem retried', 'siem delivered'])
  t.equal(deliveries.healthOf('siem')?.state, 'ok')
  deliveries.replace({ list: [], networks })
  t.equal(deliveries.healthOf('siem'), null)
})

t.test('what waits for a removed receiver is given up after three days, all of it', async (t) => {
  const { clock, deliveries, store, add, reported, results } = start(t)
  await store.add(Array.from({ length: 1_200 }, () => ({ receiver: 'gone', at: clock.now(), ...ABOUT })))
  await add('gone')
  clock.leap(73 * HOUR_MS)
  deliveries.start()
  for (let polls = 0; results.length === 0; polls += 1) {
    clock.leap(10_000)
    await new Promise((resolve) => setTimeout(resolve, 1))
    if (polls === 30) t.same(results, [], 'not in the first minutes')
  }
  await reported(1_201)
  t.ok(results.every((result) => result === 'gone failed'))
  t.match((await store.list({ limit: 1 })).items, [{ status: 'failed', code: 'CURFEW_RECEIVER_UNAVAILABLE' }])
})

t.test('after a downtime of more than three days, everything is tried once', async (t) => {
  const { clock, deliveries, add, reported, results } = start(t)
  const receiver = await startReceiver(t)
  await add('siem')
  clock.leap(100 * HOUR_MS)
  deliveries.replace({ list: [aReceiver({ url: receiver.url })], networks: ['127.0.0.1'] })
  deliveries.start()
  await reported(1)
  t.same(results, ['siem delivered'])
})

t.test('a clock that is set back does not stop deliveries', async (t) => {
  const { clock, deliveries, add, reported, results } = start(t)
  const receiver = await startReceiver(t)
  deliveries.replace({ list: [aReceiver({ url: receiver.url })], networks: ['127.0.0.1'] })
  deliveries.start()
  await add('siem')
  clock.jump(-HOUR_MS)
  deliveries.wake(['siem'])
  await reported(1)
  t.same(results, ['siem delivered'])
})

t.test('attempts in flight are recorded when networks change, and at a stop', async (t) => {
  const { clock, deliveries, store, add } = start(t)
  const receiver = await startReceiver(t)
  const answers: (() => void)[] = []
  receiver.answer = (response) => void answers.push(() => response.writeHead(204).end())
  const list = [aReceiver({ url: receiver.url })]
  deliveries.replace({ list, networks: ['127.0.0.1'] })
  const statuses = async () => (await store.list({ limit: 9 })).items.map(({ status }) => status)
  await add('siem')
  deliveries.start()
  await receiver.got(1)
  deliveries.replace({ list, networks: ['127.0.0.1', '10.0.0.0/8'] })
  answers[0]?.()
  while (!(await statuses()).includes('delivered')) await new Promise((resolve) => setImmediate(resolve))
  for (const _ of [1, 2]) await add('siem')
  deliveries.wake(['siem'])
  await receiver.got(3)
  const stopped = deliveries.stop()
  answers[1]?.()
  while ((await statuses()).filter((one) => one === 'delivered').length < 2)
    await new Promise((resolve) => setImmediate(resolve))
  clock.advance(2_000)
  await stopped
  t.same((await statuses()).toSorted(), ['delivered', 'delivered', 'pending'], 'it waits 2 s')
})

t.test('a removed network is refused at once', async (t) => {
  const { deliveries } = start(t)
  const receiver = await startReceiver(t)
  const list = [aReceiver({ url: receiver.url })]
  const message = { id: 'm', type: 'curfew.test', at: T0, data: '{}' }
  deliveries.replace({ list, networks: ['127.0.0.1'] })
  t.match(await deliveries.try('siem', message), { ok: true })
  deliveries.replace({ list, networks: [] })
  t.match(await deliveries.try('siem', message), { ok: false, code: 'CURFEW_RECEIVER_ADDRESS' })
  t.equal(await deliveries.try('other', message), null)
})
