import { type Postgres, startPostgres } from './postgres.ts'
import { startReplicas, tenantName } from './replica.ts'
import { type Bench, call, type Figure, print, sleep, withBench } from './support.ts'
import { startTenants } from './tenants.ts'

const USERS = 240
/** Fewer tokens than the limit. */
const WARM_UP_USERS = 90
const TOKENS_EACH = 5
const TOKENS = USERS * TOKENS_EACH
const LIMIT = 500
const WINDOW_MS = 6_000
const LATENCY_MS = 20
const CONCURRENCY = 16
const RUNS = 2
const AIM = 1.05

const WINDOWS = Math.floor((TOKENS - 1) / LIMIT)
const LEFT_OVER = TOKENS - WINDOWS * LIMIT
/** List, revoke the rest after the full windows with all replicas at once, list again. */
const burstMs = (replicas: number) => (1 + Math.ceil(LEFT_OVER / (CONCURRENCY * replicas)) + 1) * LATENCY_MS
const idealMs = (replicas: number) => WINDOWS * WINDOW_MS + burstMs(replicas)

/** One tenant's budget, shared by several replicas: used fully and never exceeded. */
export async function sharedWindows(): Promise<Figure[]> {
  return [await figure(2), await figure(4)]
}

async function figure(replicas: number): Promise<Figure> {
  const times: number[] = []
  let refused = 0
  for (let run = 0; run < RUNS; run += 1) {
    const result = await withBench((bench) => oneRun(bench, replicas))
    times.push(result.ms)
    refused += result.refused
  }
  const slowest = Math.max(...times)
  const ideal = idealMs(replicas)
  return {
    name: `${TOKENS} tokens of ${USERS} users by ${replicas} replicas with one limit of ${LIMIT} per window, relative to ${WINDOWS} windows and the burst`,
    measured: `${(slowest / ideal).toFixed(3)}: ${Math.round(slowest)} ms against ${ideal} ms; ${refused} responses with 429`,
    aim: `≤ ${AIM}, no 429`,
    met: slowest / ideal <= AIM && refused === 0,
    note:
      `The slowest of ${RUNS} runs (${times.map((ms) => Math.round(ms)).join(', ')} ms), each with new processes that have revoked ${WARM_UP_USERS * TOKENS_EACH} tokens to warm up, QLIK_RATE_WINDOW_MS=${WINDOW_MS}, a tenant with the ` +
      `same limits that waits ${LATENCY_MS} ms before each response. From sending one bulk request to the last \`completedAt\`. The ideal is that of one process, with ` +
      `${CONCURRENCY} calls at once in each replica: ${WINDOWS} × ${WINDOW_MS} ms + ${burstMs(replicas)} ms. ` +
      `The excess of ${Math.round(slowest - ideal)} ms does not grow with the window: for two windows of 300 s it is ${(((slowest - ideal) / 600_000) * 100).toFixed(2)} %.`,
  }
}

async function oneRun(bench: Bench, count: number): Promise<{ ms: number; refused: number }> {
  const postgres = await startPostgres(bench)
  const limits = { tier1Limit: 5_000, tier2Limit: LIMIT, windowMs: WINDOW_MS }
  const tenants = await startTenants(bench, { latencyMs: LATENCY_MS, ...limits })
  const replicas = await startReplicas(bench, count, tenants.origins, {
    DATABASE_URL: postgres.url,
    QLIK_TIER1_LIMIT: '5000',
    QLIK_TIER2_LIMIT: String(LIMIT),
    QLIK_RATE_WINDOW_MS: String(WINDOW_MS),
    REVOKE_CONCURRENCY: String(CONCURRENCY),
  })
  const drain = async (count: number) => {
    const users = (await tenants.users(0, count, TOKENS_EACH)).map((userId) => ({ userId }))
    // So that earlier calls are outside the window.
    await sleep(WINDOW_MS + 500)
    return drained(postgres, String(replicas[0]?.url), users)
  }
  await drain(WARM_UP_USERS)
  const ms = await drain(USERS)
  const counts = Object.entries(await tenants.counts())
  return { ms, refused: counts.reduce((sum, [key, count]) => sum + (key.endsWith(' 429') ? count : 0), 0) }
}

/** Time from sending one bulk request to the end of its last revocation, in ms. */
async function drained(postgres: Postgres, url: string, users: { userId: string }[]): Promise<number> {
  const before = Date.now()
  const { status } = await call(url, 'POST', '/revocations', {
    body: { users, tenant: tenantName(0), reason: 'logout' },
  })
  if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
  for (;;) {
    await sleep(200)
    const [row] = await postgres.query(
      `SELECT max(completed_at) AS at, sum(revoked)::int AS revoked, bool_and(status = 'completed') AS done
       FROM curfew.revocations WHERE accepted_at >= $1`,
      [before],
    )
    if (!row?.done) continue
    if (row.revoked !== users.length * TOKENS_EACH) throw new Error('Not every token was revoked.')
    return Number(row.at) - before
  }
}

if (import.meta.main) await print(sharedWindows())
