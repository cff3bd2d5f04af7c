import { type Postgres, startPostgres } from './postgres.ts'
import { startReplicas } from './replica.ts'
import {
  type Bench,
  type Child,
  type Figure,
  median,
  print,
  quantile,
  request,
  signedLogout,
  sleep,
  withBench,
} from './support.ts'
import { startTenants, type Tenants } from './tenants.ts'

const SIGNALS = 1_000
const WARM_UP_SIGNALS = 300
const PAUSE_MS = 15
const AIM_MS = 50

/** How soon work on a signal begins, in any replica. */
export async function pickup(): Promise<Figure[]> {
  return [await withBench((bench) => figure(bench, 1)), await withBench((bench) => figure(bench, 2))]
}

async function figure(bench: Bench, count: number): Promise<Figure> {
  const postgres = await startPostgres(bench)
  const tenants = await startTenants(bench)
  const replicas = await startReplicas(bench, count, tenants.origins, { DATABASE_URL: postgres.url })
  await picked(tenants, replicas, WARM_UP_SIGNALS)
  await settled(postgres)
  await postgres.query('DELETE FROM curfew.revocations')
  const { fromAccept, fromSending } = await picked(tenants, replicas, SIGNALS)
  await settled(postgres)
  const [ended] = await postgres.query(
    `SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY completed_at - accepted_at) AS ms
     FROM curfew.revocations`,
  )
  const [middleToEnd, lateToEnd] = Array.isArray(ended?.ms) ? ended.ms : []
  const late = quantile(fromAccept, 0.99)
  return {
    name: `Accept to the first call to Qlik, idle, ${count} ${count === 1 ? 'replica' : 'replicas'} on PostgreSQL, 99th percentile`,
    measured: `${late.toFixed(1)} ms (p50 ${median(fromAccept).toFixed(1)} ms)`,
    aim: `≤ ${AIM_MS} ms`,
    met: late <= AIM_MS,
    note:
      `${SIGNALS} signed logouts, one every ${PAUSE_MS} ms, to all replicas in turn, after ${WARM_UP_SIGNALS} to warm up, each for a user with one token. ` +
      `From reading the 202, when the signal is on disk, to the arrival of the first call at the tenant (0 if the call came first); from sending the ` +
      `signal: p50 ${median(fromSending).toFixed(1)} ms, p99 ${quantile(fromSending, 0.99).toFixed(1)} ms. From \`acceptedAt\` to \`completedAt\`, ` +
      `with a tenant without latency: p50 ${middleToEnd} ms, p99 ${lateToEnd} ms.`,
  }
}

/** The times from the answer to a signal, and from sending it, to its first call, in ms. */
async function picked(tenants: Tenants, replicas: Child[], signals: number) {
  const users = await tenants.users(0, signals, 1)
  const times = new Map<string, { sentAt: number; acceptedAt: number }>()
  const now = () => performance.timeOrigin + performance.now()
  for (const [index, userId] of users.entries()) {
    const sentAt = now()
    const { status } = await request(
      String(replicas[index % replicas.length]?.url),
      'POST',
      '/logout-hook',
      signedLogout(userId),
    )
    if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
    times.set(userId, { sentAt, acceptedAt: now() })
    await sleep(PAUSE_MS)
  }
  await sleep(1_000)
  const firstListed = await tenants.firstListed()
  const fromAccept: number[] = []
  const fromSending: number[] = []
  for (const [userId, { sentAt, acceptedAt }] of times) {
    const listedAt = firstListed.get(userId) ?? Number.POSITIVE_INFINITY
    fromAccept.push(Math.max(0, listedAt - acceptedAt))
    fromSending.push(listedAt - sentAt)
  }
  return { fromAccept, fromSending }
}

async function settled(postgres: Postgres): Promise<void> {
  while (
    (await postgres.query("SELECT FROM curfew.revocations WHERE status IN ('queued', 'running') LIMIT 1"))
      .length > 0
  )
    await sleep(100)
}

if (import.meta.main) await print(pickup())
