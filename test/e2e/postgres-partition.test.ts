import t from 'tap'
import { nextCall, until } from '../support/events.ts'
import { startPostgres } from '../support/postgres.ts'
import { isReady, proveRefused, setUpReplicas } from '../support/replicas.ts'
import { request } from '../support/service.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

const server = await startPostgres(t)
// They mostly wait for timeouts.
t.jobs = 4

for (const cut of ['reset', 'hold'] as const) {
  t.test(
    `the network to the database ${cut === 'reset' ? 'is down' : 'drops all packets'}, then recovers`,
    { buffered: true },
    async (t) => {
      const proxy = await startTcpProxy(t, server.port)
      const replicas = await setUpReplicas(t, { server, through: proxy.through })
      const { sandbox, start, userWithTokens, accept, proveRevoked } = replicas
      const service = await start()
      for (const userId of Array.from({ length: 8 }, () => userWithTokens(40))) {
        await accept(service, userId)
      }
      await nextCall(sandbox, ({ route }) => route === 'revoke')
      proxy[cut]()
      const askedAt = performance.now()
      const replies = await Promise.all(['u1', 'u2', 'u3', 'u4'].map((userId) => accept(service, userId)))
      const seconds = (performance.now() - askedAt) / 1_000
      for (const reply of replies) proveRefused(t, reply)
      t.comment(`refused after ${seconds.toFixed(1)} s`)
      t.equal(await isReady(service), false)
      t.equal((await request(service.url, 'GET', '/health/live')).status, 200)
      proxy.pass()
      t.comment(`ready after ${Math.round(await until('it is ready again', () => isReady(service)))} ms`)
      const later = userWithTokens(1)
      await accept(service, later)
      await proveRevoked(t, service)
      t.equal(await service.end('SIGTERM'), 0)
    },
  )
}

for (const cut of ['before', 'after', 'silently'] as const) {
  t.test(`a connection that is cut ${cut} COMMIT counts as a failure`, { buffered: true }, async (t) => {
    const proxy = await startTcpProxy(t, server.port)
    const replicas = await setUpReplicas(t, { server, through: proxy.through })
    const { start, userWithTokens, accept, proveRevoked } = replicas
    const service = await start()
    const userId = userWithTokens(2)
    const wasCut = proxy.cutAt(['INSERT INTO curfew.revocations', 'COMMIT'], cut)
    const reply = await accept(service, userId)
    await wasCut
    proveRefused(t, reply)
    const { items } = (await request(service.url, 'GET', '/revocations')).json
    t.equal(items.length, cut === 'after' ? 1 : 0)
    const again = await accept(service, userId)
    t.equal(again.status, 202, 'also if the database still waits for the first one')
    await proveRevoked(t, service)
    t.equal(await service.end('SIGTERM'), 0)
  })
}

for (const outage of ['reset', 'hold'] as const) {
  t.test(
    `SIGTERM while the database is unreachable (${outage}) ends the process in time`,
    { buffered: true },
    async (t) => {
      const proxy = await startTcpProxy(t, server.port)
      const replicas = await setUpReplicas(t, { server, through: proxy.through })
      const { sandbox, start, userWithTokens, accept } = replicas
      const service = await start({ SHUTDOWN_GRACE_MS: '60000' })
      await accept(service, userWithTokens(50))
      await nextCall(sandbox, ({ route }) => route === 'revoke')
      proxy[outage]()
      await accept(service, 'u1')
      const askedAt = performance.now()
      t.equal(await service.end('SIGTERM'), 0, 'gracefully, before the grace period ends')
      t.comment(`ended after ${Math.round(performance.now() - askedAt)} ms`)
    },
  )
}
