import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import { systemClock } from '../src/base/clock.ts'
import { DELIVERY_WINDOW_MS } from '../src/revocation/replay.ts'
import type { RevocationStore } from '../src/revocation/store.ts'
import { openPostgresStore } from '../src/stores/postgres/store.ts'
import { openSqliteStore } from '../src/stores/sqlite/store.ts'
import { type Postgres, startPostgres } from './postgres.ts'
import { CONNECTIONS, cpuMicros, describe, inRounds, REQUESTS_A_ROUND, rateRatios, sideOf } from './rounds.ts'
import {
  type Bench,
  type Figure,
  median,
  print,
  request,
  signedLogout,
  spread,
  startService,
  withBench,
} from './support.ts'
import { startTenant } from './tenant.ts'

/** Three days of webhook ids, at 4 webhooks per second. */
const REMEMBERED = Number(process.env.BENCH_REMEMBERED ?? 1_000_000)
const REMEMBERED_ON_POSTGRES = REMEMBERED / 10
const ROUNDS = 5
const AIM = 0.95

/** A database with remembered webhook ids. */
interface Store {
  url: string
  /** Adds ids, spread evenly over the last three days, each with a stored answer. */
  fill(count: number): Promise<void>
  /** The size on disk of the remembered ids, including indexes. */
  bytes(): Promise<number>
  open(): Promise<RevocationStore>
}

/** The cost of remembering webhook ids for three days. */
export async function replays(): Promise<Figure[]> {
  return [
    await withBench((bench) => figure(bench, 'SQLite', REMEMBERED, () => onSqlite(bench))),
    await withBench((bench) => figure(bench, 'PostgreSQL', REMEMBERED_ON_POSTGRES, () => onPostgres(bench))),
  ]
}

async function figure(
  bench: Bench,
  kind: string,
  remembered: number,
  make: () => Promise<Store>,
): Promise<Figure> {
  const tenant = await startTenant(bench, { latencyMs: 50 })
  const start = ({ url }: Store) =>
    startService(bench, tenant.url, { DATABASE_URL: url, QLIK_TIER1_LIMIT: '100' })
  const [empty, full] = [await make(), await make()]
  const first = await start(full)
  const { status } = await request(first.url, 'POST', '/logout-hook', signedLogout())
  if (status !== 202) throw new Error(`Expected 202, got ${status}.`)
  await first.stop()
  const bytesBefore = await full.bytes()
  await full.fill(remembered)
  const bytes = ((await full.bytes()) - bytesBefore) / remembered

  const [few, many] = [sideOf(await start(empty)), sideOf(await start(full))]
  await inRounds(bench, ROUNDS, [many, few])
  for (const { child } of [few, many]) await child.stop()
  const ratios = rateRatios(many, few)
  return {
    name: `Accepts per second with ${remembered} remembered webhook ids on ${kind}, relative to none at first`,
    measured: `${spread(ratios, 2)}: ${describe(many)} against ${describe(few)}`,
    aim: `≥ ${AIM}`,
    met: median(ratios) >= AIM,
    note:
      `${ROUNDS} rounds of ${REQUESTS_A_ROUND} requests over ${CONNECTIONS} connections to both services in turn, as in 1. CPU time per accept: ` +
      `${spread(cpuMicros(many), 0, ' µs')} against ${spread(cpuMicros(few), 0, ' µs')}. Each id takes ${Math.round(bytes)} bytes on disk, including its stored answer ` +
      `and the indexes. ${await purged(full)}`,
  }
}

/** Purges all remembered ids, as after three days. Describes how long that takes and blocks the event loop. */
async function purged(full: Store): Promise<string> {
  const store = await full.open()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const startedAt = performance.now()
  delay.enable()
  const count = await store.purge(0, systemClock.now() + DELIVERY_WINDOW_MS)
  delay.disable()
  const ms = performance.now() - startedAt
  await store.close()
  return (
    `Purging all ${count} ids takes ${(ms / 1_000).toFixed(1)} s, ${((ms / count) * 1_000).toFixed(0)} µs each, in batches of 500; event loop delay ` +
    `${(delay.percentile(50) / 1e6).toFixed(1)} ms (p50), ${(delay.percentile(99) / 1e6).toFixed(1)} ms (p99).`
  )
}

const SILENT = { info() {}, warn() {}, error() {} }

/** The end of a webhook's key, with a dummy digest. */
const KEY_END = `:${'x'.repeat(44)}`

async function onSqlite(bench: Bench): Promise<Store> {
  const path = join(bench.folder, `${randomUUID()}.db`)
  return {
    url: `sqlite:${path}`,
    async fill(count) {
      const database = new DatabaseSync(path)
      database.exec('PRAGMA cache_size = -2000000')
      const ids = `WITH RECURSIVE ids (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM ids WHERE n < ?)`
      database
        .prepare(
          `${ids} INSERT INTO replays (key, answer, at)
           SELECT 'webhook:msg_' || hex(randomblob(18)) || ?, (SELECT answer FROM replays LIMIT 1),
             (SELECT at FROM replays LIMIT 1) - CAST(n * ? AS INTEGER) FROM ids`,
        )
        .run(count, KEY_END, DELIVERY_WINDOW_MS / count)
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      database.close()
    },
    bytes: async () => statSync(path).size,
    open: async () => openSqliteStore(path),
  }
}

async function onPostgres(bench: Bench): Promise<Store> {
  const postgres: Postgres = await startPostgres(bench)
  return {
    url: postgres.url,
    async fill(count) {
      await postgres.query(
        `INSERT INTO curfew.replays (key, answer, at)
         SELECT 'webhook:msg_' || gen_random_uuid() || $2, first.answer, first.at - (n * $3::float8)::bigint
         FROM (SELECT answer, at FROM curfew.replays LIMIT 1) AS first, generate_series(1, $1) AS n`,
        [count, KEY_END, DELIVERY_WINDOW_MS / count],
      )
      await postgres.query('ANALYZE')
      await postgres.query('CHECKPOINT')
    },
    async bytes() {
      const [row] = await postgres.query(`SELECT pg_total_relation_size('curfew.replays') AS bytes`)
      return Number(row?.bytes)
    },
    open: () => openPostgresStore(postgres.url, { connections: 2, clock: systemClock, log: SILENT }),
  }
}

if (import.meta.main) await print(replays())
