import { buildIndexes } from './concurrent-indexes.ts'
import type { Query } from './database.ts'
import { JOB_INDEXES, JOBS_SCHEMA } from './job-table.ts'
import { SEARCH_INDEXES } from './steps/search.ts'
import { STATISTICS_INDEXES } from './steps/statistics.ts'

/**
 * Prepares the tables after the migration: indexes, and no statistics of the queue, for which pg-boss would read all jobs
 * every second. See `buildIndexes` for the connection.
 * @throws CURFEW_STORE_UNAVAILABLE
 */
export async function prepareTables(query: Query): Promise<void> {
  await query(
    `UPDATE ${JOBS_SCHEMA}.version SET monitor_backoff_on = 'infinity' WHERE monitor_backoff_on IS DISTINCT FROM 'infinity'`,
  )
  await buildIndexes(query, [...JOB_INDEXES, ...SEARCH_INDEXES, ...STATISTICS_INDEXES])
}
