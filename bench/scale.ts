import { randomUUID } from 'node:crypto'
import { loadavg } from 'node:os'
import { type LoadOrder, LoadResults } from './load-generator.ts'
import { type Postgres, startPostgres, type Totals } from './postgres.ts'
import { startReplicas, tenantName } from './replica.ts'
import {
  ask,
  type Bench,
  type Child,
  call,
  cpuMs,
  type Figure,
  memoryMb,
  print,
  signedLogout,
  sleep,
  startChild,
  withBench,
} from './support.ts'
import { startTenants, type Tenants } from './tenants.ts'

const TENANTS = Number(process.env.BENCH_TENANTS ?? 2_000)
const REPLICAS = 2
const USERS_A_TENANT = 6
const TOKENS = 3
const CONNECTIONS_A_REPLICA = 10
/** Bulk requests in flight at once. */
const SENDERS = 16
const SIGNALS_DURING_LOAD = 4_000
/** Short windows, so that permits are taken and returned all the time. A 429 from a tenant is a mistake. */
const LIMITS = { tier1Limit: 200, tier2Limit: 100, windowMs: 10_000 }
const AIM = 2_000

const REVOCATIONS = TENANTS * USERS_A_TENANT

interface Usage {
  postgres: number
  replicas: number
  tenants: number
}

interface Drain {
  /** Time until the last revocation was completed. */
  seconds: number
  /** Time until the last one was verified; all members below refer to this time. */
  verifiedSeconds: number
  callsPerSecond: number
  counts: Record<string, number>
  cpu: Usage
  totals: Totals
  connections: number
  load: number
  /** Peak resident memory of each replica, in MB. */
  memory: number[]
}

/** The throughput of two replicas with 2,000 tenants. */
export function scale(): Promise<Figure[]> {
  return withBench(async (bench) => {
    const postgres = await startPostgres(bench)
    const tenants = await startTenants(bench, { tenants: TENANTS, ...LIMITS })
    const replicas = await startReplicas(bench, REPLICAS, tenants.origins, {
      DATABASE_URL: postgres.url,
      DATABASE_CONNECTIONS: String(CONNECTIONS_A_REPLICA),
      QLIK_TIER1_LIMIT: String(LIMITS.tier1Limit),
      QLIK_TIER2_LIMIT: String(LIMITS.tier2Limit),
      QLIK_RATE_WINDOW_MS: String(LIMITS.windowMs),
    })
    // Opens the tenants, so that each has its access token, and lets the window pass.
    const warmUp = await usersOf(tenants)
    await drained({ postgres, tenants, replicas }, () => fill(replicas, warmUp))
    await sleep(LIMITS.windowMs)
    const users = await usersOf(tenants)
    await postgres.resetStatements()
    const drain = await drained({ postgres, tenants, replicas }, () => fill(replicas, users))
    if (process.env.BENCH_VERBOSE) {
      process.stderr.write(`${JSON.stringify(drain)}\n${(await postgres.slowest(30)).join('\n')}\n`)
    }
    if (process.env.BENCH_ONLY_DRAIN) return [callsFigure(drain, await sizes(postgres))]
    const more = await usersOf(tenants)
    const accepts = await acceptsDuringLoad(bench, { postgres, tenants, replicas }, more)
    return [callsFigure(drain, await sizes(postgres)), accepts]
  })
}

interface Parts {
  postgres: Postgres
  tenants: Tenants
  replicas: Child[]
}

interface Group {
  tenant: string
  users: { userId: string }[]
}

/** Adds users with tokens to each tenant. */
async function usersOf(tenants: Tenants): Promise<Group[]> {
  const groups: Group[] = []
  for (let index = 0; index < TENANTS; index += 1) {
    const ids = await tenants.users(index, USERS_A_TENANT, TOKENS)
    groups.push({ tenant: tenantName(index), users: ids.map((userId) => ({ userId })) })
  }
  return groups
}

/** Sends a bulk request for each tenant, spread over the replicas, as fast as they are accepted. */
async function fill(replicas: Child[], groups: Group[]): Promise<void> {
  const left = [...groups]
  async function sender(index: number): Promise<void> {
    const replica = replicas[index % replicas.length]
    for (let group = left.pop(); group; group = left.pop()) {
      const { status } = await call(String(replica?.url), 'POST', '/revocations', {
        body: { ...group, reason: 'logout' },
      })
      if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, (_, index) => sender(index)))
}

/** Measures from the first signal to the last ended revocation. */
async function drained(
  { postgres, tenants, replicas }: Parts,
  begin: () => Promise<unknown>,
): Promise<Drain> {
  const [countsBefore, totalsBefore, cpuBefore] = [
    await tenants.counts(),
    await postgres.totals(),
    usage({ postgres, tenants, replicas }),
  ]
  const startedAt = performance.now()
  await begin()
  let connections = 0
  while ((await unended(postgres)) > 0) {
    connections = Math.max(connections, await postgres.connections())
    await sleep(250)
  }
  const secondsSince = () => (performance.now() - startedAt) / 1_000
  const seconds = secondsSince()
  const callsPerSecond = sum(since(countsBefore, await tenants.counts())) / seconds
  while (await isUnconfirmed(postgres)) await sleep(250)
  const verifiedSeconds = secondsSince()
  const cpuAfter = usage({ postgres, tenants, replicas })
  const totalsAfter = await postgres.totals()
  const counts = since(countsBefore, await tenants.counts())
  const refused = Object.entries(counts).filter(([key, count]) => key.endsWith(' 429') && count > 0)
  if (refused.length > 0) throw new Error(`The tenants refused calls: ${JSON.stringify(refused)}.`)
  return {
    seconds,
    verifiedSeconds,
    callsPerSecond,
    counts,
    cpu: {
      postgres: cpuAfter.postgres - cpuBefore.postgres,
      replicas: cpuAfter.replicas - cpuBefore.replicas,
      tenants: cpuAfter.tenants - cpuBefore.tenants,
    },
    totals: {
      statements: totalsAfter.statements - totalsBefore.statements,
      commits: totalsAfter.commits - totalsBefore.commits,
      walBytes: totalsAfter.walBytes - totalsBefore.walBytes,
    },
    connections,
    load: loadavg()[0] ?? 0,
    memory: replicas.map((replica) => memoryMb(replica, 'VmHWM')),
  }
}

type Counts = Record<string, number>

function since(before: Counts, after: Counts): Counts {
  return Object.fromEntries(Object.entries(after).map(([key, count]) => [key, count - (before[key] ?? 0)]))
}

const sum = (counts: Counts) => Object.values(counts).reduce((total, count) => total + count, 0)

function usage({ postgres, tenants, replicas }: Parts): Usage {
  return {
    postgres: postgres.cpuMs(),
    tenants: cpuMs(tenants),
    replicas: replicas.reduce((sum, replica) => sum + cpuMs(replica), 0),
  }
}

/** The number of revocations that have not ended. A failed one is an error, because it would count as ended. */
async function unended(postgres: Postgres): Promise<number> {
  const [row] = await postgres.query(
    `SELECT (SELECT count(*) FROM curfew.revocations WHERE status = 'queued') +
       (SELECT count(*) FROM curfew.revocations WHERE status = 'running') AS count,
       EXISTS (SELECT FROM curfew.revocations WHERE status = 'failed') AS failed`,
  )
  if (row?.failed) throw new Error('A revocation has failed.')
  return Number(row?.count)
}

/**
 * Whether a confirming listing is still due. An unverified revocation is an error, except for the load generator's users,
 * which do not exist.
 */
async function isUnconfirmed(postgres: Postgres): Promise<boolean> {
  const [row] = await postgres.query(
    `SELECT count(*) FILTER (WHERE verification_due_at IS NOT NULL) AS due,
       count(*) FILTER (WHERE verification_due_at IS NULL AND verified = 0 AND outcome <> 'no-such-user') AS unverified
     FROM curfew.revocations WHERE status = 'completed'`,
  )
  if (Number(row?.unverified) > 0) throw new Error('A revocation is not verified.')
  return Number(row?.due) > 0
}

/** Sends signed logouts to all replicas while they drain the same backlog again. */
async function acceptsDuringLoad(bench: Bench, parts: Parts, groups: Group[]): Promise<Figure> {
  const generator = await startChild(bench, 'bench/load-generator.ts')
  const rates: number[] = []
  let late = 0
  let drainedDuringLoad = 0
  const { seconds } = await drained(parts, async () => {
    await fill(parts.replicas, groups)
    const before = await unended(parts.postgres)
    const startedAt = performance.now()
    for (const { url } of parts.replicas) {
      const requests = Array.from({ length: SIGNALS_DURING_LOAD }, (_, index) =>
        signedLogout(randomUUID(), tenantName(index % TENANTS)),
      )
      const order: LoadOrder = { urls: [url], requests, connections: 32 }
      const [result] = LoadResults.parse(await ask(generator, order, 60_000))
      rates.push(result?.perSecond ?? 0)
      late = Math.max(late, result?.p99Ms ?? 0)
    }
    const done = before + REPLICAS * SIGNALS_DURING_LOAD - (await unended(parts.postgres))
    drainedDuringLoad = (done / (performance.now() - startedAt)) * 1_000
  })
  await generator.stop()
  const slowest = Math.min(...rates)
  return {
    name: `Signals accepted per second by one of ${REPLICAS} replicas while they drain`,
    measured: `${Math.round(slowest)}/s, p99 ${late} ms; at the same time, ${Math.round(drainedDuringLoad)} revocations per second ended`,
    aim: 'none',
    met: true,
    note:
      `${SIGNALS_DURING_LOAD} signed logouts over 32 connections to one replica and then to the other, each for its own user, after a ` +
      `backlog of ${REVOCATIONS} was queued. Draining took ${seconds.toFixed(1)} s in total.`,
  }
}

async function sizes(postgres: Postgres): Promise<string> {
  const rows = await postgres.query(
    `SELECT relname, n_live_tup + n_dead_tup AS tuples, n_dead_tup AS dead, pg_total_relation_size(relid) AS bytes
     FROM pg_stat_user_tables WHERE pg_total_relation_size(relid) > 100000 ORDER BY bytes DESC LIMIT 6`,
  )
  return rows
    .map(
      ({ relname, tuples, dead, bytes }) =>
        `${relname} ${(Number(bytes) / 1e6).toFixed(1)} MB (${tuples} rows, ${dead} dead)`,
    )
    .join(', ')
}

function callsFigure(
  { seconds, verifiedSeconds, callsPerSecond, counts, cpu, totals, connections, load, memory }: Drain,
  tables: string,
): Figure {
  const cores = (ms: number) => (ms / 1_000 / verifiedSeconds).toFixed(2)
  const each = (total: number) => (total / REVOCATIONS).toFixed(1)
  return {
    name: `Calls to Qlik per second, ${TENANTS} tenants, ${REPLICAS} replicas, one PostgreSQL`,
    measured:
      `${Math.round(callsPerSecond)}/s: ${REVOCATIONS} revocations of ${TOKENS} tokens each in ${seconds.toFixed(1)} s ` +
      `(${Math.round(REVOCATIONS / seconds)}/s)`,
    aim: `≥ ${AIM}/s`,
    met: callsPerSecond >= AIM,
    note:
      `From the first bulk request to the last completed revocation. To the last verified one: ${verifiedSeconds.toFixed(1)} s, with these calls by route and status: ${Object.entries(
        counts,
      )
        .filter(([, count]) => count > 0)
        .map(([key, count]) => `${key}: ${count}`)
        .join(
          ', ',
        )}. Limits per tenant: ${LIMITS.tier1Limit} and ${LIMITS.tier2Limit} in ${LIMITS.windowMs / 1000} s. ` +
      `Cores used: PostgreSQL ${cores(cpu.postgres)}, the replicas together ${cores(cpu.replicas)}, the tenants ${cores(cpu.tenants)}; ` +
      `CPU per call: ${((cpu.postgres + cpu.replicas) / sum(counts)).toFixed(2)} ms without the tenants; load average ${load.toFixed(1)}. ` +
      `Per revocation: ${each(cpu.postgres)} ms of CPU in PostgreSQL and ${each(cpu.replicas)} ms in a replica, ${each(totals.statements)} statements, ${each(totals.commits)} commits, ${each(totals.walBytes / 1_000)} kB of WAL. ` +
      `${connections} connections. Peak memory of the replicas: ${memory.map((mb) => mb.toFixed(0)).join(' and ')} MB. PostgreSQL with fsync=on. Tables afterwards: ${tables}.`,
  }
}

if (import.meta.main) await print(scale())
