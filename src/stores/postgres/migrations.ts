import pg from 'pg'
import { CurfewError } from '../../base/errors.ts'
import { asCurfewError, connectionOptions } from './database.ts'
import { JOBS_SCHEMA } from './jobs.ts'
import { BASE } from './steps/base.ts'
import { BUDGETS } from './steps/budgets.ts'
import { EARLIER_VERSIONS } from './steps/earlier-versions.ts'
import { PROOFS } from './steps/proofs.ts'
import { SESSIONS_OF_SOURCES } from './steps/sessions-of-sources.ts'

/**
 * The schema, as numbered steps. A step is never changed once released; a new one is added. A release that takes a
 * newer pg-boss adds one, too, if only a comment: it is by this number that older versions are kept out. Times are ms
 * since the epoch; columns are those of SQLite's table, and mean the same.
 */
export const MIGRATIONS: readonly string[] = [BASE, PROOFS, SESSIONS_OF_SOURCES, EARLIER_VERSIONS, BUDGETS]

/**
 * The schema of pg-boss that the steps were written for. Where a new release of it brings another, it migrates that by
 * itself, and a step above is needed with it.
 */
export const JOBS_VERSION = 43

/** One process migrates at a time; the others wait here and find it done. Any number will do. */
const MIGRATION_LOCK = 4_283_307_231

/** Others may take a while, and so may a step; a server that has gone silent is not waited for much longer. */
const LONGEST_STEP_MS = 10 * 60_000

/**
 * Brings both schemas up to date, once, however many processes start together: ours, and by `migrateJobs` that of
 * pg-boss.
 * @throws CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function migrate(url: string, migrateJobs: () => Promise<void>): Promise<void> {
  const client = new pg.Client({
    ...connectionOptions(url),
    query_timeout: LONGEST_STEP_MS,
    statement_timeout: LONGEST_STEP_MS,
  })
  // A connection that breaks fails the statement that is under way, or the next one.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK])
    await migrateOwn(client)
    await migrateJobs()
  } catch (error) {
    throw asCurfewError(error)
  } finally {
    // The lock goes with the connection.
    await client.end().catch(() => {})
  }
}

async function migrateOwn(client: pg.Client): Promise<void> {
  for (const schema of ['curfew', JOBS_SCHEMA]) {
    // Looked for first: a role without the right to make schemas may own those that were made for it.
    const { rows } = await client.query('SELECT to_regnamespace($1) IS NULL AS missing', [schema])
    if (rows[0].missing) await client.query(`CREATE SCHEMA ${schema}`)
  }
  await client.query('CREATE TABLE IF NOT EXISTS curfew.schema_version (version integer NOT NULL)')
  const found = await client.query('SELECT max(version) AS version FROM curfew.schema_version')
  const applied: number = found.rows[0].version ?? 0
  if (applied > MIGRATIONS.length) {
    throw new CurfewError(
      'CURFEW_STORE_NEWER',
      `The database has schema version ${applied}, this version of Curfew knows ${MIGRATIONS.length}.`,
    )
  }
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < applied) continue
    // Several statements at once are one transaction.
    await client.query(`BEGIN; ${step}; INSERT INTO curfew.schema_version VALUES (${index + 1}); COMMIT;`)
  }
}
