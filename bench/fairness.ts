import { type Postgres, startPostgres } from './postgres.ts'
import { startReplicas, tenantName } from './replica.ts'
import {
  type Bench,
  call,
  type Figure,
  median,
  print,
  quantile,
  request,
  signedLogout,
  sleep,
  withBench,
} from './support.ts'
import { startTenants } from './tenants.ts'

const BACKLOGS = (process.env.BENCH_BACKLOGS ?? '10000,100000').split(',').map(Number)
const USERS_A_REQUEST = 1_000
const OTHERS = 10
const SIGNALS = 300
const PAUSE_MS = 20
const REPLICAS = 2
/** The tenant with the backlog exhausts it at once: its runs wait, and so does everything queued behind them. */
const TIER2_LIMIT = 100
const AIM_MS = 50

/** How a tenant with far more work than budget affects the others. */
export async function fairness(): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const backlog of BACKLOGS) figures.push(await withBench((bench) => figure(bench, backlog)))
  return figures
}

async function figure(bench: Bench, backlog: number): Promise<Figure> {
  const postgres = await startPostgres(bench)
  const tenants = await startTenants(bench, { tenants: 1 + OTHERS, tier2Limit: TIER2_LIMIT })
  const replicas = await startReplicas(bench, REPLICAS, tenants.origins, {
    DATABASE_URL: postgres.url,
    QLIK_TIER2_LIMIT: String(TIER2_LIMIT),
  })
  const urls = replicas.map(({ url }) => url)
  for (let sent = 0; sent < backlog; sent += USERS_A_REQUEST) {
    const users = (await tenants.users(0, USERS_A_REQUEST, 1)).map((userId) => ({ userId }))
    const { status } = await call(String(urls[0]), 'POST', '/revocations', {
      body: { users, tenant: tenantName(0), reason: 'logout' },
    })
    if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
  }
  // Autovacuum would do this within a minute.
  await postgres.query('ANALYZE')
  await sleep(3_000)
  await tenants.firstListed()
  await postgres.resetStatements()
  const sentAt = new Map<string, number>()
  const cpuBefore = postgres.cpuMs()
  const startedAt = performance.now()
  for (let index = 0; index < SIGNALS; index += 1) {
    const tenant = 1 + (index % OTHERS)
    const [userId = ''] = await tenants.users(tenant, 1, 1)
    sentAt.set(userId, performance.timeOrigin + performance.now())
    const { status } = await request(
      String(urls[index % urls.length]),
      'POST',
      '/logout-hook',
      signedLogout(userId, tenantName(tenant)),
    )
    if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
    await sleep(PAUSE_MS)
  }
  const cores = (postgres.cpuMs() - cpuBefore) / (performance.now() - startedAt)
  await sleep(2_000)
  const listed = await tenants.firstListed()
  const times = [...sentAt].map(([userId, at]) => (listed.get(userId) ?? Number.POSITIVE_INFINITY) - at)
  const late = quantile(times, 0.99)
  const fetches = await fetchTimes(postgres)
  if (process.env.BENCH_VERBOSE) process.stderr.write(`${(await postgres.slowest(14)).join('\n')}\n`)
  return {
    name: `Signal to the first call to Qlik, while another tenant has ${backlog} queued and no budget, 99th percentile`,
    measured: `${late.toFixed(1)} ms (p50 ${median(times).toFixed(1)} ms)`,
    aim: `≤ ${AIM_MS} ms`,
    met: late <= AIM_MS,
    note:
      `${SIGNALS} signed logouts for ${OTHERS} other tenants, with pauses of ${PAUSE_MS} ms, to ${REPLICAS} replicas in turn. Fetches from the queue in that time: ` +
      `${fetches}. PostgreSQL used ${cores.toFixed(2)} cores.`,
  }
}

async function fetchTimes(postgres: Postgres): Promise<string> {
  const [row] = await postgres.query(
    `SELECT sum(calls)::int AS calls, sum(total_exec_time) / sum(calls) AS mean, max(max_exec_time) AS longest
     FROM pg_stat_statements WHERE query LIKE '%WITH RECURSIVE groups%'`,
  )
  return `${row?.calls}, mean ${Number(row?.mean).toFixed(2)} ms, maximum ${Number(row?.longest).toFixed(1)} ms`
}

if (import.meta.main) await print(fairness())
