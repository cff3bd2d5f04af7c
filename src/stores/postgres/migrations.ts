import pg from 'pg'
import { CurfewError } from '../../base/errors.ts'
import { asStartError, connectionOptions, type Query } from './database.ts'
import { JOBS_SCHEMA } from './job-table.ts'
import { AUDIT } from './steps/audit.ts'
import { AUDIT_ORDER, AUDIT_ORDER_OF_REVOCATIONS } from './steps/audit-order.ts'
import { BASE } from './steps/base.ts'
import { BATCHES, BATCHES_OF_REVOCATIONS } from './steps/batches.ts'
import { BUDGETS } from './steps/budgets.ts'
import { EARLIER_VERSIONS } from './steps/earlier-versions.ts'
import { LEARNED_LIMITS } from './steps/learned-limits.ts'
import { MASS_BRAKE } from './steps/mass-brake.ts'
import { NOTIFICATIONS } from './steps/notifications.ts'
import { PROOFS } from './steps/proofs.ts'
import { SEARCH } from './steps/search.ts'
import { SESSIONS_OF_SOURCES } from './steps/sessions-of-sources.ts'
import { SIZES } from './steps/sizes.ts'
import { TRACES } from './steps/traces.ts'

/**
 * The schema as numbered steps. The statements of a released step never change; a change is a new step. A release with
 * a newer pg-boss also adds a step, even if it is only a comment, because older versions refuse a higher number. Times
 * are in ms since the epoch. Columns have the same names and meanings as in SQLite.
 */
export const MIGRATIONS: readonly string[] = [
  BASE,
  PROOFS,
  SESSIONS_OF_SOURCES,
  EARLIER_VERSIONS,
  BUDGETS,
  AUDIT,
  MASS_BRAKE,
  SIZES,
  LEARNED_LIMITS,
  AUDIT_ORDER,
  AUDIT_ORDER_OF_REVOCATIONS,
  SEARCH,
  BATCHES,
  BATCHES_OF_REVOCATIONS,
  TRACES,
  NOTIFICATIONS,
]

/**
 * The pg-boss schema version that the steps are written for. pg-boss migrates its own schema. A release of pg-boss with
 * a new schema version requires a new step above.
 */
export const JOBS_VERSION = 43

/** An arbitrary lock number. One process migrates at a time; the others wait for it. */
export const MIGRATION_LOCK = 4_283_307_231

/** Limits the wait for another process, for a long step, and for an unresponsive server. */
const LONGEST_STEP_MS = 10 * 60_000

/**
 * Migrates Curfew's schema and, by `migrateJobs`, that of pg-boss. Safe if several processes start at the same time.
 * @param prepare runs last, without the lock, so that it can build indexes concurrently: see `prepareTables`
 * @throws CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function migrate(
  url: string,
  migrateJobs: () => Promise<void>,
  prepare: (query: Query) => Promise<void> = async () => {},
): Promise<void> {
  const client = new pg.Client({
    ...connectionOptions(url),
    query_timeout: LONGEST_STEP_MS,
    statement_timeout: LONGEST_STEP_MS,
  })
  // If the connection breaks, the current or next statement fails.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK])
    await migrateOwn(client)
    await migrateJobs()
    await client.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK])
    await prepare(async (text, values = []) => (await client.query(text, values)).rows)
  } catch (error) {
    throw asStartError(error, client)
  } finally {
    // Closing the connection releases the lock.
    await client.end().catch(() => {})
  }
}

async function migrateOwn(client: pg.Client): Promise<void> {
  for (const schema of ['curfew', JOBS_SCHEMA]) {
    // Checked first: the role may own schemas that were created for it, without the right to create any.
    const { rows } = await client.query('SELECT to_regnamespace($1) IS NULL AS missing', [schema])
    if (rows[0].missing) await client.query(`CREATE SCHEMA ${schema}`)
  }
  await client.query('CREATE TABLE IF NOT EXISTS curfew.schema_version (version integer NOT NULL)')
  const found = await client.query('SELECT max(version) AS version FROM curfew.schema_version')
  const applied: number = found.rows[0].version ?? 0
  if (applied > MIGRATIONS.length) {
    throw new CurfewError(
      'CURFEW_STORE_NEWER',
      `The database has schema version ${applied}; this version of Curfew supports ${MIGRATIONS.length}.`,
    )
  }
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < applied) continue
    // One query with all statements, so the step and its number are committed together.
    await client.query(`BEGIN; ${step}; INSERT INTO curfew.schema_version VALUES (${index + 1}); COMMIT;`)
  }
}
