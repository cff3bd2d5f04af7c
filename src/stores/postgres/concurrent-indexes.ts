import { setTimeout as delay } from 'node:timers/promises'
import { CurfewError } from '../../base/errors.ts'
import type { Query } from './database.ts'

/** An index that is built beside the work of replicas. Statements work without it, but slowly. */
export interface ConcurrentIndex {
  schema: string
  table: string
  name: string
  /** What follows the table in its definition. */
  definition: string
}

/** An arbitrary lock number. One process builds indexes at a time. */
const INDEX_LOCK = 4_283_307_234
const LONGEST_WAIT_MS = 10 * 60_000
const TRY_EVERY_MS = 100

/**
 * Builds the indexes that are missing, concurrently, because replicas write to the tables. Such a build waits for all running
 * statements, including one that waits for a lock of its process, which is a deadlock. So callers must hold no lock for
 * which other processes wait, and the lock of the build is polled.
 * @param query runs all statements on one connection, outside of a transaction
 * @throws CURFEW_STORE_UNAVAILABLE
 */
export async function buildIndexes(query: Query, indexes: readonly ConcurrentIndex[]): Promise<void> {
  if ((await missing(query, indexes)).length === 0) return
  const giveUpAt = performance.now() + LONGEST_WAIT_MS
  while (!(await query('SELECT pg_try_advisory_lock($1) AS locked', [INDEX_LOCK]))[0]?.locked) {
    if (performance.now() > giveUpAt)
      throw new CurfewError(
        'CURFEW_STORE_UNAVAILABLE',
        'Another process has been building indexes for 10 minutes.',
      )
    await delay(TRY_EVERY_MS)
  }
  for (const { schema, table, name, definition } of await missing(query, indexes)) {
    // An interrupted build leaves an invalid index.
    await query(`DROP INDEX CONCURRENTLY IF EXISTS ${schema}.${name}`)
    await query(`CREATE INDEX CONCURRENTLY ${name} ON ${schema}.${table} ${definition}`)
  }
  await query('SELECT pg_advisory_unlock($1)', [INDEX_LOCK])
}

async function missing(query: Query, indexes: readonly ConcurrentIndex[]): Promise<ConcurrentIndex[]> {
  const nameOf = ({ schema, name }: ConcurrentIndex) => `${schema}.${name}`
  const valid = await query(
    `SELECT name FROM unnest($1::text[]) AS name
     WHERE EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(name) AND indisvalid)`,
    [indexes.map(nameOf)],
  )
  return indexes.filter((index) => !valid.some(({ name }) => name === nameOf(index)))
}
