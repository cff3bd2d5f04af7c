import pg from 'pg'
import t, { type Test } from 'tap'
import type { SessionSource } from '../../../src/revocation/session.ts'
import { openPostgresStore } from '../../../src/stores/postgres/store.ts'
import { SILENT } from '../../conformance/stores.ts'
import { fakeClock } from '../../support/clock.ts'
import { startPostgres } from '../../support/postgres.ts'
import { T0 } from '../../support/signals.ts'

const server = await startPostgres(t)
const OP: SessionSource = { tenant: 'default', source: 'op', isOnly: true }
const session = (sid: string) => ({
  sid,
  user: { kind: 'subject' as const, value: 'u1' },
  expiresAt: T0 + 1_000,
})

/** A store, and the number of transactions that changed its sessions. */
async function setUp(t: Test) {
  const url = await server.createDatabase()
  const store = await openPostgresStore(url, { connections: 5, clock: fakeClock(T0), log: SILENT })
  t.teardown(() => store.close())
  await server.query(
    url,
    `CREATE TABLE changes (of bigint);
     CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN INSERT INTO changes VALUES (txid_current()); RETURN NULL; END $$;
     CREATE TRIGGER note_change AFTER INSERT OR DELETE ON curfew.source_sessions
       FOR EACH STATEMENT EXECUTE FUNCTION note_change()`,
  )
  async function transactions() {
    const [found] = await server.query(url, 'SELECT count(DISTINCT of)::int AS count FROM changes')
    await server.query(url, 'TRUNCATE changes')
    return Number(found?.count)
  }
  const count = async () => {
    const [found] = await server.query(url, 'SELECT count(*)::int AS count FROM curfew.source_sessions')
    return Number(found?.count)
  }
  return { url, store, transactions, count }
}

t.test('1,101 sessions at once, on 5 connections, take a few transactions', async (t) => {
  const { store, transactions, count } = await setUp(t)
  const sids = Array.from({ length: 1_101 }, (_, index) => `s${index}`)
  await Promise.all(sids.map((sid) => store.noteSession(OP, session(sid))))
  t.equal(await count(), 1_101)
  t.equal(await transactions(), 3)
  await Promise.all(sids.map((sid) => store.forgetSession(OP, sid)))
  t.equal(await count(), 0)
  t.equal(await transactions(), 3)
})

t.test('the later change counts, even if the earlier one has to wait', async (t) => {
  const { url, store, count } = await setUp(t)
  const other = new pg.Client({ connectionString: url })
  await other.connect()
  await other.query(
    `BEGIN; INSERT INTO curfew.source_sessions VALUES ('default', 'op', 'held', 'subject', 'u1', 0)`,
  )
  const first = ['held', 's1'].map((sid) => store.noteSession(OP, session(sid)))
  await count()
  const later = { ...session('s1'), user: { kind: 'subject', value: 'u2' } } as const
  const second = store.noteSession(OP, later)
  await count()
  await other.query('ROLLBACK')
  await other.end()
  await Promise.all([...first, second])
  t.strictSame(await store.findSession(OP, 's1', T0), later)
})

t.test('a session that the database rejects fails alone', async (t) => {
  const { store, count } = await setUp(t)
  const results = await Promise.allSettled(
    ['s1', 'not\0text', 's2'].map((sid) => store.noteSession(OP, session(sid))),
  )
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  t.equal(await count(), 2)
})
