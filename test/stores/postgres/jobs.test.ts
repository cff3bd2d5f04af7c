import t, { type Test } from 'tap'
import { uuidv7 } from '../../../src/revocation/id.ts'
import { newRevocation } from '../../../src/revocation/transitions.ts'
import { PostgresDatabase } from '../../../src/stores/postgres/database.ts'
import { postgresStatements } from '../../../src/stores/postgres/statements.ts'
import { aCompletion, accept, aFailure, claim, existing, waiting } from '../../conformance/stores.ts'
import { rejection, until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { aSignal, T0 } from '../../support/signals.ts'
import { jobTables } from './job-tables.ts'

const server = await startPostgres(t)
const setUp = (t: Test) => jobTables(t, server)

t.test('a queued or running row has a job, and they agree', async (t) => {
  const { open, both } = await setUp(t)
  const store = await open()
  const { id } = await accept(store, { reason: 'session-expired' })
  t.same(await both(id), ['queued', 'created 0 due'])
  await accept(store, { reason: 'logout' })
  t.same(await both(id), ['queued', 'created 1 due'], 'joined by a more urgent one')
  await accept(store, { reason: 'session-expired' })
  t.same(await both(id), ['queued', 'created 1 due'], 'and by a less urgent one')
  const [first] = await claim(store)
  t.same(await both(id), ['running', 'active 1 due'])
  await store.putBack(id, waiting(existing(first), T0 + 60_000))
  t.same(await both(id), ['queued', 'created 1 later'])
  await store.retry(id, T0)
  t.same(await both(id), ['queued', 'created 1 due'], 'hastened by hand')
  await claim(store)
  t.equal(await store.end(id, aFailure(T0)), true)
  t.same(await both(id), ['failed', null])
  await store.retry(id, T0)
  t.same(await both(id), ['queued', 'created 1 due'], 'again by hand')
  await claim(store)
  t.equal(await store.end(id, aCompletion()), true)
  t.same(await both(id), ['completed', null])
})

t.test('a revocation that waits for a run of its user has no job until the run ends', async (t) => {
  const { open, both } = await setUp(t)
  const store = await open()
  const running = await accept(store)
  await claim(store)
  const { id } = await accept(store)
  t.same(await both(id), ['queued', 'created 1 due'])
  t.same(await claim(store), [])
  t.same(await both(id), ['queued', null])
  await store.end(running.id, aCompletion())
  t.same(await both(id), ['queued', 'created 1 due'])
})

t.test('a revocation that joins a run that is put back is deleted with its job', async (t) => {
  const { open, both } = await setUp(t)
  const store = await open()
  const older = await accept(store)
  const [claimed] = await claim(store)
  const newer = await accept(store, { reason: 'security' })
  await store.putBack(older.id, waiting(existing(claimed), null))
  t.same(await both(newer.id), [null, null])
  t.same(await both(older.id), ['queued', 'created 2 due'])
})

t.test('a revocation queued during putBack or retry of the same user is joined', async (t) => {
  const { url, open, both } = await setUp(t)
  const store = await open()
  const database = new PostgresDatabase(url, 1)
  t.teardown(() => database.close())
  /** Queues a revocation in a transaction that commits when another one waits for it. Resolves when it is queued. */
  const queueBeside = async (id: string) => {
    const { promise: isQueued, resolve } = Promise.withResolvers<void>()
    const committed = database.transaction(async (query) => {
      await postgresStatements(query).insert([newRevocation(id, aSignal())])
      resolve()
      const waiting = `SELECT FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted`
      await until('another one waits', async () => (await server.query(url, waiting)).length > 0, 2_000)
    })
    await isQueued
    return { committed }
  }

  const { id } = await accept(store)
  const [claimed] = await claim(store)
  const newer = uuidv7(T0)
  const { committed } = await queueBeside(newer)
  await store.putBack(id, waiting(existing(claimed), null))
  await committed
  t.same(await both(id), ['queued', 'created 1 due'])
  t.same(await both(newer), [null, null])

  await claim(store)
  await store.end(id, aFailure(T0))
  const newest = uuidv7(T0)
  const again = await queueBeside(newest)
  t.match(await store.retry(id, T0), { id: newest, status: 'queued' })
  await again.committed
})

t.test('a transaction that is rolled back leaves neither a row nor a job', async (t) => {
  const { open, query } = await setUp(t)
  const store = await open()
  await query(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$`,
  )
  await query('CREATE TRIGGER no BEFORE UPDATE ON curfew.replays FOR EACH ROW EXECUTE FUNCTION refuse()')
  const replay = { key: 'k', fingerprint: null }
  t.match(await rejection(store.accept([aSignal()], replay, T0)), { code: 'CURFEW_STORE_UNAVAILABLE' })
  const count = `SELECT (SELECT count(*) FROM curfew.revocations) + (SELECT count(*) FROM curfew_jobs.job)
    + (SELECT count(*) FROM curfew.replays) AS count`
  t.match(await query(count), [{ count: '0' }])
  await accept(store)
  t.match(await query(count), [{ count: '2' }])
})

t.test('a job that cannot be set aside does not block the others', async (t) => {
  const { open, query } = await setUp(t)
  const store = await open()
  await accept(store)
  await claim(store)
  await accept(store)
  const other = await accept(store, { userId: 'u2' })
  await query(
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$`,
  )
  await query(
    `CREATE TRIGGER no BEFORE UPDATE ON curfew.revocations FOR EACH ROW WHEN (NEW.parked) EXECUTE FUNCTION refuse()`,
  )
  t.match(await claim(store), [{ id: other.id }])
})

t.test('a transaction that the server rolled back is reported as failed', async (t) => {
  const { url } = await setUp(t)
  const database = new PostgresDatabase(url, 1)
  t.teardown(() => database.close())
  const hidden = database.transaction(async (query) => {
    await query('CREATE TABLE t (x integer)')
    await query('SELECT 1 / 0').catch(() => {})
  })
  t.match(await rejection(hidden), { code: 'CURFEW_STORE_UNAVAILABLE' })
})

t.test('a signal that joins a parked revocation does not unpark it', async (t) => {
  const { open, both } = await setUp(t)
  const store = await open()
  const running = await accept(store)
  await claim(store)
  const { id } = await accept(store)
  await claim(store)
  await accept(store, { reason: 'session-expired', occurredAt: T0 - 1 })
  t.same(await both(id), ['queued', null])
  await store.end(running.id, aCompletion())
  t.same(await both(id), ['queued', 'created 1 due'])
})
