import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { nextCall, until } from '../support/events.ts'
import { startOwnPostgres } from '../support/postgres.ts'
import { isReady, PASSWORD, proveRefused, setUpReplicas } from '../support/replicas.ts'
import { request } from '../support/service.ts'

/** Set it to a minute, for example, for a longer outage than the suite has time for. */
const OUTAGE_MS = Number(process.env.OUTAGE_MS ?? 3_000)
/** Between two signals of a sender, so that the machine has time for the rest. */
const PAUSE_MS = 20
const server = await startOwnPostgres(t)

t.test(
  'PostgreSQL stops in mid-run: signals are refused, then work resumes without intervention',
  async (t) => {
    const { sandbox, start, userWithTokens, accept, proveRevoked } = await setUpReplicas(t, { server })
    const service = await start()
    const users = Array.from({ length: 40 }, () => userWithTokens(20))
    for (const userId of users) await accept(service, userId)
    await nextCall(sandbox, ({ route }) => route === 'revoke')
    await server.stop()
    const before = service.output().length
    const stoppedAt = performance.now()
    await until('it reports that it is not ready', async () => !(await isReady(service)))
    const { json } = await request(service.url, 'GET', '/health/ready')
    t.match(json.checks[1], { name: 'store', status: 'failed' })
    t.equal((await request(service.url, 'GET', '/health/live')).status, 200)
    let refusals = 0
    while (performance.now() - stoppedAt < OUTAGE_MS) {
      const reply = await accept(service, 'u1')
      if (refusals === 0) proveRefused(t, reply)
      if (reply.status !== 503) t.fail('the signal is refused')
      refusals += 1
      await pause(PAUSE_MS)
    }
    const seconds = (performance.now() - stoppedAt) / 1_000
    const lines = service.output().slice(before).split('\n').length
    t.ok(lines < 10 * seconds, `${refusals} refusals, ${lines} lines of log in ${seconds.toFixed(1)} s`)
    await server.start()
    const readyAfter = await until('it is ready again', () => isReady(service))
    t.comment(`ready ${Math.round(readyAfter)} ms after the start of PostgreSQL`)
    const later = userWithTokens(3)
    const accepted = await accept(service, later)
    t.equal(accepted.status, 202)
    await proveRevoked(t, service)
    t.comment(`all ended ${Math.round(performance.now() - stoppedAt)} ms after the stop`)
    t.notMatch(service.output(), PASSWORD)
    t.notMatch(service.output(), 'postgres://')
    t.equal(await service.end('SIGTERM'), 0)
  },
)

t.test('PostgreSQL restarts under a stream of signals: no signal answered with 202 is lost', async (t) => {
  const replicas = await setUpReplicas(t, { server, latencyMs: 2 })
  const { start, userWithTokens, accept, acknowledged, proveRevoked } = replicas
  const service = await start()
  let isOver = false
  let refused = 0
  const senders = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      const userId = userWithTokens(2)
      const reply = await accept(service, userId)
      await pause(PAUSE_MS)
      if (reply.status === 202) continue
      refused += 1
      proveRefused(t, reply)
    }
  })
  for (let restart = 0; restart < 3; restart += 1) {
    const enough = acknowledged.size + 50
    await until('signals are accepted', () => acknowledged.size >= enough)
    await server.stop()
    await server.start()
  }
  const enough = acknowledged.size + 50
  await until('signals are accepted again', () => acknowledged.size >= enough)
  isOver = true
  await Promise.all(senders)
  t.comment(`${acknowledged.size} accepted, ${refused} refused`)
  await proveRevoked(t, service)
  t.equal(await service.end('SIGTERM'), 0)
})
