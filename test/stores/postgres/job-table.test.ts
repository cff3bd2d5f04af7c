import { PgBoss } from 'pg-boss'
import t, { type Test } from 'tap'
import type { Room } from '../../../src/revocation/schedule.ts'
import { PostgresDatabase } from '../../../src/stores/postgres/database.ts'
import {
  fetchByGroup,
  HAS_LOST,
  JOB_COLUMNS,
  JOBS_SCHEMA,
  QUEUE,
  regroupLost,
} from '../../../src/stores/postgres/job-table.ts'
import { accept, claim, existing } from '../../conformance/stores.ts'
import { startPostgres } from '../../support/postgres.ts'
import { T0 } from '../../support/signals.ts'
import { jobTables } from './job-tables.ts'

const server = await startPostgres(t)
const setUp = (t: Test) => jobTables(t, server)

const NONE: Room = { total: 0, perTenant: 0, exceptions: new Map() }

/** Room for logouts. */
const logouts = (room: Partial<Room>) => ({
  now: T0,
  room: { security: NONE, logout: { ...NONE, total: 100, ...room }, 'session-expired': NONE },
})

t.test("pg-boss's table has the columns that Curfew's statements use", async (t) => {
  const { open, query } = await setUp(t)
  await open()
  const message = `pg-boss has changed ${JOBS_SCHEMA}.job: adapt src/stores/postgres/job-table.ts and sized.ts`
  const columns = await query(
    `SELECT attname AS name, replace(format_type(atttypid, atttypmod), '${JOBS_SCHEMA}.', '') AS type
     FROM pg_attribute WHERE attrelid = '${JOBS_SCHEMA}.job'::regclass AND attnum > 0 AND NOT attisdropped`,
  )
  const found = Object.fromEntries(columns.map(({ name, type }) => [name, type]))
  for (const [name, type] of Object.entries(JOB_COLUMNS)) t.equal(found[name], type, `${message} (${name})`)
  const states = await query(
    `SELECT enumlabel AS state FROM pg_enum WHERE enumtypid = '${JOBS_SCHEMA}.job_state'::regtype ORDER BY enumsortorder`,
  )
  t.same(
    states.map(({ state }) => state),
    ['created', 'retry', 'active', 'completed', 'cancelled', 'failed'],
    message,
  )
  const [table] = await query(`SELECT table_name FROM ${JOBS_SCHEMA}.queue WHERE name = '${QUEUE}'`)
  t.match(table, { table_name: 'job_common' }, message)
})

t.test('a fetched job is like one that pg-boss has fetched', async (t) => {
  const { url, open, query } = await setUp(t)
  const store = await open()
  const { id: own } = await accept(store, { userId: 'a' })
  await claim(store)
  const { id: other } = await accept(store, { userId: 'b' })
  const database = new PostgresDatabase(url, 1)
  t.teardown(() => database.close())
  const db = { executeSql: (text: string, values?: unknown[]) => database.execute(text, values) }
  const boss = new PgBoss({ db, schema: JOBS_SCHEMA, createSchema: false, supervise: false, schedule: false })
  await boss.start()
  t.teardown(() => boss.stop({ graceful: false, close: false }))
  t.match(await boss.fetch(QUEUE), [{ id: other }])
  const jobOf = async (id: string) => {
    const [job] = await query(`SELECT * FROM ${JOBS_SCHEMA}.job WHERE id = $1`, [id])
    const { started_on, heartbeat_on, created_on, start_after, keep_until, ...rest } = existing(job)
    t.ok(started_on && heartbeat_on && created_on && start_after && keep_until)
    return { ...rest, id: null }
  }
  const fetched = await jobOf(own)
  t.match(fetched, { state: 'active', retry_count: 0 })
  t.strictSame(fetched, await jobOf(other))
})

t.test('a tenant gets its oldest jobs, as many as all processes together may run', async (t) => {
  const { open } = await setUp(t)
  const [one, other] = [await open(), await open()]
  const users: string[] = []
  for (const userId of ['c', 'a', 'b', 'd']) users.push((await accept(one, { userId })).id)
  const first = await one.claim(logouts({ perTenant: 1 }))
  const second = await other.claim(logouts({ perTenant: 3 }))
  t.same(
    [...first, ...second].map(({ id }) => id),
    users.slice(0, 3),
  )
  t.same(await one.claim(logouts({ perTenant: 3 })), [])
})

t.test('a tenant without room in this process gets none; one with less gets that many', async (t) => {
  const { open } = await setUp(t)
  const store = await open()
  for (const tenant of ['full', 'failing', 'free'])
    for (const userId of ['a', 'b', 'c']) await accept(store, { tenant, userId })
  const exceptions = new Map([
    ['full', 0],
    ['failing', 1],
  ])
  const claimed = await store.claim(logouts({ perTenant: 3, exceptions }))
  t.same(claimed.map(({ tenant }) => tenant).sort(), ['failing', 'free', 'free', 'free'])
})

t.test('tenants take turns, however many jobs the first ones have', async (t) => {
  const { open } = await setUp(t)
  const store = await open()
  for (const tenant of ['a', 'b', 'c', 'd'])
    for (const userId of ['1', '2', '3']) await accept(store, { tenant, userId })
  const turns: string[] = []
  for (let fetch = 0; fetch < 6; fetch += 1) {
    const claimed = await store.claim(logouts({ total: 2, perTenant: 100 }))
    turns.push(claimed.map(({ tenant }) => tenant).join(''))
  }
  t.same(turns, ['aa', 'bb', 'cc', 'dd', 'ab', 'cd'])
})

t.test('jobs of other reasons and future ones are left', async (t) => {
  const { open, query } = await setUp(t)
  const store = await open()
  await accept(store, { userId: 'a', reason: 'security' })
  const { id } = await accept(store, { userId: 'b' })
  await query(`UPDATE ${JOBS_SCHEMA}.job SET start_after = now() + interval '1 hour' WHERE id = $1`, [id])
  t.same(await store.claim(logouts({ perTenant: 5 })), [])
})

t.test('a fetch, and the search for lost jobs, do not read the jobs of full tenants', async (t) => {
  const { url, open, query } = await setUp(t)
  const store = await open()
  const { id } = await accept(store, { tenant: 'full', userId: 'u' })
  await query(
    `INSERT INTO ${JOBS_SCHEMA}.job_common (id, name, priority, group_id, created_on)
     SELECT gen_random_uuid(), name, priority, group_id, created_on - interval '1 hour'
     FROM ${JOBS_SCHEMA}.job, generate_series(1, 20000) WHERE id = $1`,
    [id],
  )
  await query(`ANALYZE ${JOBS_SCHEMA}.job`)
  const other = await accept(store, { tenant: 'other', userId: 'u' })
  const database = new PostgresDatabase(url, 1)
  t.teardown(() => database.close())
  const exceptions = new Map([['logout full', 0]])
  // The counters of the transaction leave out pg-boss's maintenance.
  await database.transaction(async (query) => {
    const { jobs } = await fetchByGroup(query, {
      priority: 1,
      room: { total: 100, perTenant: 5 },
      exceptions,
      after: 'logout full',
    })
    t.match(jobs, [{ id: other.id }])
    const wanted = 'unnest(ARRAY[1]) AS wanted (priority)'
    t.same(await query(`SELECT ${HAS_LOST('wanted.priority')} AS has_lost FROM ${wanted}`), [
      { has_lost: false },
    ])
    await regroupLost(query, 1, 'logout-lost ')
    const [row] = await query(
      `SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS rows
       FROM pg_stat_xact_user_tables WHERE relname = 'job_common'`,
    )
    t.ok(Number(row?.rows) < 100, `${row?.rows} rows read`)
  })
})
