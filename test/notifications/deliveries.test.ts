import t, { type Test } from 'tap'
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
  // The library of the circuit reads the wall clock itself.
  t.intercept(Date, 'now', { value: clock.now, configurable: true, writable: true })
  const store = openSqliteStore(databaseUrl(t).slice('sqlite:'.length), clock).notifications
  const results: string[] = []
  const deliveries = new Deliveries({
    ...{ store, clock, random: () => 0.5 },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    onAttempt: (receiver, _type, result) => void results.push(`${receiver} ${result}`),
  })
  t.teardown(() => deliveries.stop())
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
  for (let looks = 0; looks <= 12 || deliveries.checks().length === 0; looks += 1) {
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

t.test('what waits for a removed receiver is given up after three days', async (t) => {
  const { clock, deliveries, store, add, reported, results } = start(t)
  await add('gone')
  clock.leap(73 * HOUR_MS)
  deliveries.start()
  await reported(1)
  t.same(results, ['gone failed'])
  t.match((await store.list({ limit: 1 })).items, [{ status: 'failed', code: 'CURFEW_RECEIVER_UNAVAILABLE' }])
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
