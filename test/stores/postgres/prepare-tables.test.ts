import pg from 'pg'
import t, { type Test } from 'tap'
import { MIGRATION_LOCK, MIGRATIONS } from '../../../src/stores/postgres/migrations.ts'
import { accept } from '../../conformance/stores.ts'
import { until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { jobTables } from './job-tables.ts'

const server = await startPostgres(t)
const setUp = (t: Test) => jobTables(t, server)

const NAMES = [
  ...['curfew.revocations_error', 'curfew.revocations_failures', 'curfew.revocations_outcome'],
  ...['curfew.revocations_reason', 'curfew.revocations_sender', 'curfew.revocations_source'],
  ...['curfew_jobs.job_active', 'curfew_jobs.job_by_tenant'],
]
/** The state of the indexes that are built concurrently. */
const INDEXES = `SELECT name, indisvalid AS is_valid
  FROM unnest(ARRAY['${NAMES.join("', '")}']) AS name JOIN pg_index ON indexrelid = to_regclass(name) ORDER BY name`
const BUILT = NAMES.map((name) => ({ name, is_valid: true }))

t.test('a database of an earlier version gets the indexes after its migration', async (t) => {
  const { open, query } = await setUp(t)
  await query('CREATE SCHEMA curfew')
  await query('CREATE TABLE curfew.schema_version (version integer NOT NULL)')
  for (const step of MIGRATIONS) await query(step)
  t.same(await query(INDEXES), [], 'no step locks the tables for them')
  await query(`INSERT INTO curfew.schema_version VALUES (${MIGRATIONS.length})`)
  await open()
  t.same(await query(INDEXES), BUILT)
})

t.test('an index whose build was interrupted is built again', async (t) => {
  const { open, query } = await setUp(t)
  await (await open()).close()
  for (const name of ['curfew_jobs.job_by_tenant', 'curfew.revocations_source'])
    await query('UPDATE pg_index SET indisvalid = false WHERE indexrelid = $1::regclass', [name])
  const [{ oid } = {}] = await query(`SELECT 'curfew_jobs.job_by_tenant'::regclass::oid AS oid`)
  await open()
  t.same(await query(INDEXES), BUILT)
  t.same(await query('SELECT FROM pg_class WHERE oid = $1', [oid]), [])
})

for (const [index, write] of [
  ['curfew_jobs.job_by_tenant', 'UPDATE curfew_jobs.job_common SET priority = 0'],
  ['curfew.revocations_source', 'UPDATE curfew.revocations SET attempts = 0'],
] as const) {
  t.test(`starts wait for ${index}, which another one builds; replicas accept and start`, async (t) => {
    const { url, open, query } = await setUp(t)
    const replica = await open()
    await query(`DROP INDEX ${index}`)
    // A build waits for the transactions that have written to the table.
    const writer = new pg.Client(url)
    await writer.connect()
    t.teardown(() => writer.end())
    await writer.query(`BEGIN; ${write}`)
    const starts = [open(), open()]
    const running = async (statement: string) =>
      (
        await query('SELECT FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()', [
          statement,
        ])
      ).length
    await until('one builds, one waits', async () => {
      const counts = [await running('CREATE INDEX CONCURRENTLY%'), await running('%pg_try_advisory_lock%')]
      return counts.every((count) => count === 1)
    })
    t.match(await accept(replica, { userId: 'a' }), { status: 'queued' })
    // The lock for which starts of earlier versions wait.
    t.same(await query('SELECT pg_try_advisory_lock($1) AS locked', [MIGRATION_LOCK]), [{ locked: true }])
    await writer.query('COMMIT')
    await Promise.all(starts)
    t.same(await query(INDEXES), BUILT)
  })
}
