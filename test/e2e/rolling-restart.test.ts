import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { until } from '../support/events.ts'
import { startLoadBalancer } from '../support/load-balancer.ts'
import { startPostgres } from '../support/postgres.ts'
import { setUpReplicas } from '../support/replicas.ts'

const SENDERS = 6
/** Between two signals of a sender, so that the machine has time for the restarts. */
const PAUSE_MS = 50
const server = await startPostgres(t)

t.test('no signal is refused or lost while all replicas restart one by one', async (t) => {
  const { start, userWithTokens, accept, acknowledged, proveRevoked } = await setUpReplicas(t, {
    server,
    latencyMs: 5,
  })
  const balancer = await startLoadBalancer(t)
  const startReplica = async () => {
    const replica = await start({ SHUTDOWN_DRAIN_MS: '2000' })
    const ready = balancer.ready()
    balancer.add(replica.url)
    await until('the balancer uses it', () => balancer.ready() > ready)
    return replica
  }
  let replicas = [await startReplica(), await startReplica()]
  const failures: unknown[] = []
  let isOver = false
  const senders = Array.from({ length: SENDERS }, async () => {
    while (!isOver) {
      const reply = await accept(balancer, userWithTokens(2)).catch((error: unknown) => ({ status: error }))
      if (reply.status !== 202) failures.push(reply)
      await pause(PAUSE_MS)
    }
  })
  const sentBefore = acknowledged.size
  for (const old of replicas) {
    const renewed = await startReplica()
    const enough = acknowledged.size + 20
    await until('signals are accepted', () => acknowledged.size > enough)
    t.equal(await old.end('SIGTERM'), 0)
    replicas = [...replicas.filter((one) => one !== old), renewed]
  }
  const enough = acknowledged.size + 20
  await until('signals are accepted', () => acknowledged.size > enough)
  isOver = true
  await Promise.all(senders)
  t.same(failures, [], `of ${acknowledged.size - sentBefore} signals`)
  const [one] = replicas
  if (one) await proveRevoked(t, one)
  for (const replica of replicas) t.equal(await replica.end('SIGTERM'), 0)
})
