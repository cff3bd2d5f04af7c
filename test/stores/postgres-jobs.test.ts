import t, { type Test } from 'tap'
import { uuidv7 } from '../../src/revocation/id.ts'
import { newRevocation } from '../../src/revocation/revocation.ts'
import type { RevocationStore } from '../../src/revocation/store.ts'
import type { SandboxCall } from '../../src/sandbox/call-log.ts'
import { openPostgresStore } from '../../src/stores/postgres.ts'
import { PostgresDatabase } from '../../src/stores/postgres-database.ts'
import { postgresStatements } from '../../src/stores/postgres-statements.ts'
import { accept, claim, existing, FAILURE, SILENT, TOKENS, waiting } from '../conformance/stores.ts'
import { nextCall, rejection, until } from '../support/events.ts'
import { startPostgres } from '../support/postgres.ts'
import { startService } from '../support/service.ts'
import { aSignal, T0 } from '../support/signals.ts'

const server = await startPostgres(t)
const COMPLETION = { outcome: 'revoked', verified: true, tokens: TOKENS, completedAt: T0 } as const

/** An empty database, stores on it, and a look at both of its tables. */
async function setUp(t: Test) {
  const url = await server.createDatabase()
  const query = (text: string, values: unknown[] = []) => server.query(url, text, values)
  return {
    url,
    query,
    async open(): Promise<RevocationStore> {
      const store = await openPostgresStore(url, { connections: 4, now: () => T0, log: SILENT })
      t.teardown(() => store.close())
      return store
    },
    /** A revocation's status, and its job's state, priority and whether it is due; null where there is none. */
    async both(id: string) {
      const [row] = await query('SELECT status FROM curfew.revocations WHERE id = $1', [id])
      const [job] = await query(
        `SELECT state, priority, start_after <= clock_timestamp() AS due FROM curfew_jobs.job
         WHERE name = 'revocations' AND id = $1`,
        [id],
      )
      return [row?.status ?? null, job ? `${job.state} ${job.priority} ${job.due ? 'due' : 'later'}` : null]
    },
    /** What the watch of pg-boss does with the jobs of a process that has not been heard of for a while. */
    lose: () =>
      query(
        `UPDATE curfew_jobs.job SET state = 'retry', retry_count = retry_count + 1 WHERE state = 'active'`,
      ),
    /** The same of a job that was lost too often; the watch itself has to do it, when it comes. */
    loseForGood: (id: string) =>
      query(
        `UPDATE curfew_jobs.job SET heartbeat_on = heartbeat_on - interval '1 minute', retry_count = retry_limit
         WHERE name = 'revocations' AND state = 'active' AND id = $1`,
        [id],
      ),
  }
}

t.test('a row has a job as long as it waits or runs, and they agree', async (t) => {
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
  await store.retry(id)
  t.same(await both(id), ['queued', 'created 1 due'], 'hastened by hand')
  await claim(store)
  t.equal(await store.fail(id, FAILURE, TOKENS, T0), true)
  t.same(await both(id), ['failed', null])
  await store.retry(id)
  t.same(await both(id), ['queued', 'created 1 due'], 'again by hand')
  await claim(store)
  t.equal(await store.complete(id, COMPLETION), true)
  t.same(await both(id), ['completed', null])
})

t.test('one that waits for a run of its user has no job, and gets it when that ends', async (t) => {
  const { open, both } = await setUp(t)
  const store = await open()
  const running = await accept(store)
  await claim(store)
  const { id } = await accept(store)
  t.same(await both(id), ['queued', 'created 1 due'])
  t.same(await claim(store), [])
  t.same(await both(id), ['queued', null])
  await store.complete(running.id, COMPLETION)
  t.same(await both(id), ['queued', 'created 1 due'])
})

t.test('one that joins a run which is put back goes, and so does its job', async (t) => {
  const { open, both } = await setUp(t)
  const store = await open()
  const older = await accept(store)
  const [claimed] = await claim(store)
  const newer = await accept(store, { reason: 'security' })
  await store.putBack(older.id, waiting(existing(claimed), null))
  t.same(await both(newer.id), [null, null])
  t.same(await both(older.id), ['queued', 'created 2 due'])
})

t.test('one that is queued while another of its user is put back, or tried again, is joined', async (t) => {
  const { url, open, both } = await setUp(t)
  const store = await open()
  const database = new PostgresDatabase(url, 1)
  t.teardown(() => database.close())
  /** Queues one in a transaction that is committed when another one waits for it; resolves when it is queued. */
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
  await store.fail(id, FAILURE, TOKENS, T0)
  const newest = uuidv7(T0)
  const again = await queueBeside(newest)
  t.match(await store.retry(id), { id: newest, status: 'queued' })
  await again.committed
})

t.test('a transaction that is given up leaves neither a row nor a job', async (t) => {
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

t.test('what could not be set aside keeps no other one from running', async (t) => {
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

t.test('a process that has lost its run has no effect on it, and is told to stop', async (t) => {
  const { open, both, lose } = await setUp(t)
  const [frozen, other] = [await open(), await open()]
  const { id } = await accept(frozen)
  const [claimed] = await claim(frozen)
  await lose()
  t.match(await claim(other), [{ id, status: 'running', attempts: 2 }])
  t.equal(await frozen.complete(id, COMPLETION), false)
  t.equal(await frozen.fail(id, FAILURE, TOKENS, T0), false)
  await frozen.progress(id, TOKENS)
  await frozen.putBack(id, waiting(existing(claimed), null))
  t.match(await other.get(id), { status: 'running', tokens: { revoked: 0 } })
  t.same(await both(id), ['running', 'active 1 due'])
  t.equal(await other.complete(id, COMPLETION), true)
})

t.test('a process that has lost its run is told so, once', async (t) => {
  const { open, lose } = await setUp(t)
  const [frozen, other] = [await open(), await open()]
  const { id } = await accept(frozen)
  await claim(frozen)
  await lose()
  await claim(other)
  const told: string[] = []
  await until('it is told', async () => told.push(...(await frozen.overtaken())) > 0, 5_000)
  t.same(told, [id])
  t.same(await frozen.overtaken(), [])
  t.same(await other.overtaken(), [])
})

t.test('one that was lost too often has failed, and whoever waited for it goes on', async (t) => {
  const { open, both, loseForGood } = await setUp(t)
  const store = await open()
  const { id } = await accept(store)
  await claim(store)
  const next = await accept(store)
  await claim(store)
  t.same(await both(next.id), ['queued', null])
  await until('it has failed', async () => {
    await loseForGood(id)
    return (await store.get(id))?.status === 'failed'
  })
  t.match(await store.get(id), { error: { code: 'CURFEW_RUN_LOST' }, tokens: { revoked: 0 } })
  t.same(await both(id), ['failed', null])
  t.same(await both(next.id), ['queued', 'created 1 due'])
  t.match(await store.retry(id), { id: next.id }, 'by hand, it joins the one that is queued')
})

t.test('one that never ran and was lost too often waits for the run of its user', async (t) => {
  const { open, both, query, loseForGood } = await setUp(t)
  const store = await open()
  const { id } = await accept(store)
  await claim(store)
  const next = await accept(store)
  await query(
    `UPDATE curfew_jobs.job SET state = 'active', started_on = now(), heartbeat_on = now() WHERE id = $1`,
    [next.id],
  )
  await loseForGood(next.id)
  const parked = 'SELECT 1 FROM curfew.revocations WHERE id = $1 AND parked'
  await until('it waits', async () => (await query(parked, [next.id])).length > 0)
  await store.complete(id, COMPLETION)
  t.same(await both(next.id), ['queued', 'created 1 due'])
})

t.test('a run that its own process has lost is taken up again by it, and ends once', async (t) => {
  const { url, lose } = await setUp(t)
  const service = await startService(t, {
    environment: { DATABASE_URL: url, REVOKE_CONCURRENCY: '1' },
    sandbox: { latencyMs: 40 },
  })
  const user = service.userWithTokens(60)
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  await until('it is under way', () => service.sandbox.tenant.tokensOf(user.id).length < 55)
  await lose()
  t.match(await service.ended(json.id), { status: 'completed', verified: true, attempts: 2 })
  const ends = service.logLines.filter((line) => JSON.parse(line).msg === 'a revocation has ended')
  t.equal(ends.length, 1)
  const lists = service.sandbox.tenant.calls.filter(
    ({ route, path }) => route === 'list' && path.includes(user.id),
  )
  t.ok(lists.length <= 4, `begun twice and verified, no more: ${lists.length} lists`)
})

t.test('a transaction that the server has undone is no success', async (t) => {
  const { url } = await setUp(t)
  const database = new PostgresDatabase(url, 1)
  t.teardown(() => database.close())
  const hidden = database.transaction(async (query) => {
    await query('CREATE TABLE t (x integer)')
    await query('SELECT 1 / 0').catch(() => {})
  })
  t.match(await rejection(hidden), { code: 'CURFEW_STORE_UNAVAILABLE' })
})

t.test('a run that was lost at its very end is not reported as ended', async (t) => {
  const { url, query } = await setUp(t)
  const environment = { DATABASE_URL: url }
  const service = await startService(t, { environment, sandbox: { latencyMs: 100 } })
  const user = service.userWithTokens(1)
  const verifying = nextCall(service.sandbox, ({ route }) => route === 'revoke')
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: user.id } })
  await verifying
  await query('UPDATE curfew.revocations SET claim = gen_random_uuid()')
  const isListed = ({ route, path }: SandboxCall) => route === 'list' && path.includes(user.id)
  await until('it is verified', () => service.sandbox.tenant.calls.filter(isListed).length === 2)
  await service.app.close()
  t.same(
    service.logLines.filter((line) => line.includes('a revocation has ended')),
    [],
  )
  t.same(await query('SELECT status FROM curfew.revocations WHERE id = $1', [json.id]), [
    { status: 'running' },
  ])
})
