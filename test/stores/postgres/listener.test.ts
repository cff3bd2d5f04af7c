import t, { type Test } from 'tap'
import { PostgresListener } from '../../../src/stores/postgres/listener.ts'
import { until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'

const server = await startPostgres(t)

/** A listener behind a proxy, and the payloads it has received. */
async function setUp(t: Test) {
  const url = await server.createDatabase()
  const proxy = await startTcpProxy(t, server.port)
  const heard: string[] = []
  const listener = new PostgresListener(proxy.through(url))
  listener.on('news', (payload) => heard.push(payload))
  await listener.open()
  t.teardown(() => listener.close())
  const tell = (payload: string) => server.query(url, 'SELECT pg_notify($1, $2)', ['news', payload])
  /** Notifies repeatedly until it is received, because the listener may still be connecting. */
  const proveHearing = (payload: string, withinMs: number) =>
    until(`${payload} is heard`, async () => (await tell(payload)) && heard.includes(payload), withinMs)
  return { proxy, listener, heard, tell, proveHearing }
}

t.test('it receives notifications, also after its connection was reset', async (t) => {
  const { proxy, proveHearing } = await setUp(t)
  await proveHearing('one', 1_000)
  proxy.reset()
  await new Promise((resolve) => setImmediate(resolve))
  proxy.pass()
  t.ok(await proveHearing('two', 5_000))
})

t.test('a dead connection is detected and replaced', async (t) => {
  const { proxy, proveHearing } = await setUp(t)
  await proveHearing('one', 1_000)
  const startedAt = performance.now()
  await proxy.cutAt(['SELECT 1'], 'silently')
  t.ok(await proveHearing('two', 10_000))
  t.ok(performance.now() - startedAt < 18_000)
})

t.test('closing does not wait for an unresponsive server', async (t) => {
  const { proxy, listener } = await setUp(t)
  proxy.hold()
  const askedAt = performance.now()
  await listener.close()
  t.ok(performance.now() - askedAt < 2_000)
})
