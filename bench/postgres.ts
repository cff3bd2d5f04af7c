import { readdirSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { startOwnPostgres } from '../test/support/postgres.ts'
import type { Bench } from './support.ts'

/** As in production, every commit is on disk before it is answered. Counting statements is the only addition. */
const SETTINGS = [
  'fsync=on',
  'shared_preload_libraries=pg_stat_statements',
  'pg_stat_statements.max=10000',
  'pg_stat_statements.track_planning=on',
]

const Totals = z.object({
  statements: z.coerce.number(),
  commits: z.coerce.number(),
  walBytes: z.coerce.number(),
})
/** Totals since the server started. */
export type Totals = z.infer<typeof Totals>

export type Postgres = Awaited<ReturnType<typeof startPostgres>>

/** Starts a real PostgreSQL with an empty database. It stops with the bench. */
export async function startPostgres(bench: Bench) {
  const closers: (() => unknown)[] = []
  bench.onEnd(async () => {
    for (const close of closers) await close()
  })
  const server = await startOwnPostgres(
    { teardown: (close: () => unknown) => void closers.push(close) },
    SETTINGS,
  )
  // Also stops it if the bench is interrupted.
  const end = () => process.kill(Number(server.pid()), 'SIGQUIT')
  process.once('exit', end)
  closers.push(() => process.off('exit', end))
  const url = await server.createDatabase()
  const query = (text: string, values: unknown[] = []) => server.query(url, text, values)
  await query('CREATE EXTENSION pg_stat_statements')
  return {
    url,
    query,
    cpuMs: () => cpuOfFamilyMs(Number(server.pid())),
    async totals(): Promise<Totals> {
      const [row] = await query(
        `SELECT (SELECT sum(calls) FROM pg_stat_statements WHERE query !~ '^(BEGIN|COMMIT|SET)') AS statements,
           (SELECT sum(xact_commit) FROM pg_stat_database) AS commits,
           (SELECT wal_bytes FROM pg_stat_wal) AS "walBytes"`,
      )
      return Totals.parse(row)
    },
    /** The current connections of the service. */
    async connections(): Promise<number> {
      const [row] = await query(
        `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'curfew'`,
      )
      return Number(row?.count)
    },
    /** The statements that take the most time, for profiling. */
    async slowest(count: number): Promise<string[]> {
      const rows = await query(
        `SELECT calls, round(total_exec_time) AS ms, round(total_plan_time) AS planning,
           round(mean_exec_time::numeric, 3) AS mean, rows, wal_bytes, left(regexp_replace(query, '\\s+', ' ', 'g'), 100) AS query
         FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT $1`,
        [count],
      )
      return rows.map((row) => Object.values(row).join(' | '))
    },
    resetStatements: () => query('SELECT pg_stat_statements_reset()'),
  }
}

/** CPU time of a process and its children, in ms. */
function cpuOfFamilyMs(parent: number): number {
  let ticks = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = statOf(name)
    const isParent = Number(name) === parent
    if (!isParent && Number(fields[1]) !== parent) continue
    // The parent's fields also include children that have ended.
    for (const index of isParent ? [11, 12, 13, 14] : [11, 12]) ticks += Number(fields[index])
  }
  return ticks * 10
}

/** The fields of `/proc/<pid>/stat` after the name; empty if the process has just ended. */
function statOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  } catch {
    return []
  }
}
