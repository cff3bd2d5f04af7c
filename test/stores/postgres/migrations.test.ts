import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t, { type Test } from 'tap'
import { uuidv7 } from '../../../src/revocation/id.ts'
import type { Revocation } from '../../../src/revocation/revocation.ts'
import { signalTimeOf } from '../../../src/revocation/signal-time.ts'
import type { Confirmation } from '../../../src/revocation/transitions.ts'
import { MIGRATIONS } from '../../../src/stores/postgres/migrations.ts'
import {
  aCompletion,
  accept,
  aFailure,
  claim,
  existing,
  FAILURE,
  PROOF,
  room,
  waiting,
} from '../../conformance/stores.ts'
import { until } from '../../support/events.ts'
import { startPostgres } from '../../support/postgres.ts'
import { aSignal, T0 } from '../../support/signals.ts'
import { earlierRows } from '../earlier-rows.ts'
import { jobTables } from './job-tables.ts'

const server = await startPostgres(t)

/** A database of the version without proofs, with a revocation in every state, opened by this version. */
async function openMigrated(t: Test) {
  const { url, query, open } = await jobTables(t, server)
  const [step] = MIGRATIONS
  await query('CREATE SCHEMA curfew')
  await query(`CREATE TABLE curfew.schema_version (version integer NOT NULL); ${step};
    INSERT INTO curfew.schema_version VALUES (1)`)
  const columns = await query(
    `SELECT column_name AS name FROM information_schema.columns
     WHERE table_schema = 'curfew' AND table_name = 'revocations' AND is_generated = 'NEVER'`,
  )
  const rows = earlierRows(columns.map(({ name }) => String(name)))
  /** Inserts like that version, which names only the columns it knows. */
  const insert = (table: string, values: object[]) => {
    const names = Object.keys(values[0] ?? {})
    const select = `SELECT ${names} FROM json_populate_recordset(NULL::curfew.${table}, $1)`
    return query(`INSERT INTO curfew.${table} (${names}) ${select}`, [JSON.stringify(values)])
  }
  await insert(
    'revocations',
    rows.map(({ row }) => row),
  )
  return { url, query, open, insert, rows }
}

t.test('every row of an earlier version is kept unchanged', async (t) => {
  const { open, insert, rows } = await openMigrated(t)
  const [queued] = rows
  await insert('joined_ids', [{ id: '01900000-0000-7000-8000-000000000000', into_id: queued?.id }])
  const answer = JSON.stringify([queued?.row])
  await insert('replays', [{ key: 'k', fingerprint: 'f', answer, at: T0 }])
  const noted = { tenant: 'default', sid: 's', user_kind: 'userId', user_value: 'u1', expires_at: T0 + 1 }
  await insert('sessions', [noted])
  const store = await open()
  for (const { name, id, migrated } of rows) t.strictSame(await store.get(id), migrated, name)
  t.match(await store.get('01900000-0000-7000-8000-000000000000'), { id: queued?.id })
  const again = await store.accept([aSignal()], { key: 'k', fingerprint: 'f' }, T0)
  t.match(again, { replayed: true, revocations: [{ id: queued?.id, status: 'queued' }] })
  const of = { tenant: 'default', source: 'portal', isOnly: true }
  t.match(await store.findSession(of, 's', T0), { user: { value: 'u1' } })
})

t.test('a migration waits for a replica of an earlier version that requests permits', async (t) => {
  const { url, query, open, insert } = await openMigrated(t)
  const budget = { tenant: 'default', client: 'c', tier: 2 }
  await insert('budgets', [budget])
  const earlier = new pg.Client(url)
  await earlier.connect()
  t.teardown(() => earlier.end())
  // The lock order of curfew.exchange_permits.
  await earlier.query('BEGIN; SELECT FROM curfew.budgets FOR UPDATE')
  const opened = open()
  const isWaiting = 'SELECT FROM pg_locks WHERE NOT granted'
  await until('the migration waits', async () => (await query(isWaiting)).length > 0)
  await earlier.query(
    `INSERT INTO curfew.calls VALUES ('default', 'c', 2, now() + interval '5 minutes', 7); COMMIT`,
  )
  const { permits } = await opened
  const key = { ...budget, origin: 'https://tenant.example', tier: 2 } as const
  const holder = randomUUID()
  const spent = { ended: 0, endedAgoMs: 0, held: 0, probe: 'none' } as const
  const limits = { limit: 10, windowMs: 300_000, leaseMs: 1_000 }
  t.match(await permits.exchange({ key, holder, ...limits, ...spent, wanted: 10 }), { granted: 3 })
})

t.test('a trail of an unreleased version gets the indexes of a new one', async (t) => {
  const indexes = `SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'audit_entries' ORDER BY 1`
  const fresh = await jobTables(t, server)
  await fresh.open()
  const created = await fresh.query(indexes)
  t.equal(created.length, 6)
  for (const version of [9, 10]) {
    const { query, open } = await jobTables(t, server)
    await query('CREATE SCHEMA curfew')
    await query('CREATE TABLE curfew.schema_version (version integer NOT NULL)')
    for (const step of MIGRATIONS.slice(0, version)) await query(step)
    await query(`INSERT INTO curfew.schema_version VALUES (${version});
      CREATE INDEX audit_entries_revocation ON curfew.audit_entries (revocation_id);`)
    if (version === 9)
      await query(`CREATE INDEX audit_entries_user ON curfew.audit_entries (user_value);
        CREATE INDEX audit_entries_sender ON curfew.audit_entries (sender);`)
    await open()
    t.same(await query(indexes), created, `version ${version}`)
  }
})

const MEASURED = { tenant: { earliest: T0, latest: T0 + 1_000 }, open: null, unlinked: false }
const PROVEN: Confirmation = { found: 'nothing', proof: PROOF, kept: 0, undecided: 0, resolved: ['u1'] }

/** A store of this version, and rows changed like by an earlier version, which knows fewer columns. */
async function beside(t: Test) {
  const { query, open } = await jobTables(t, server)
  const store = await open()
  return {
    store,
    query,
    /** Changes some cells of a row. */
    async change(id: string, cells: string) {
      await query(`UPDATE curfew.revocations SET ${cells} WHERE id = $1`, [id])
      return existing(await store.get(id))
    },
    /** A revocation of a signal with a measured time. */
    accept: (different: Parameters<typeof accept>[1] = {}) =>
      accept(store, { signalTime: MEASURED, ...different }),
  }
}

/** Whether the time of its signals covers all of them. */
const isCovered = (revocation: Revocation) => !signalTimeOf(revocation).unlinked

t.test('a signal that an earlier version may have joined has an unknown time', async (t) => {
  const { store, change, accept } = await beside(t)
  const { id } = await accept()
  t.ok(isCovered(existing(await store.get(id))))
  for (const parked of ['true', 'false'])
    t.ok(isCovered(await change(id, `parked = ${parked}`)), 'parking is no signal')
  // With a slow clock, a later signal may not have a later time, so this version sees no change.
  const joined = await change(id, 'occurred_at = occurred_at')
  t.notOk(isCovered(joined))
  t.strictSame(
    signalTimeOf(joined),
    { ...MEASURED, unlinked: true },
    'what is known of the others stays known',
  )
  await accept()
  t.notOk(isCovered(existing(await store.get(id))), 'also after this version has joined one')
})

t.test('a run that an earlier version puts back has an unknown time if another one joins it', async (t) => {
  const { store, query, change, accept } = await beside(t)
  const [alone, joined] = [await accept(), await accept({ userId: 'joined' })]
  await claim(store)
  t.ok(isCovered(await change(alone.id, `status = 'queued'`)))
  const newer = await accept({ userId: 'joined' })
  await query('INSERT INTO curfew.joined_ids VALUES ($1, $2)', [newer.id, joined.id])
  await query('DELETE FROM curfew.revocations WHERE id = $1', [newer.id])
  t.notOk(isCovered(await change(joined.id, `status = 'queued'`)))
})

t.test('a revocation that this version joins and puts back keeps its time', async (t) => {
  const { store, accept } = await beside(t)
  const { id } = await accept()
  await accept()
  const [running] = await claim(store)
  await accept()
  await store.putBack(id, waiting(existing(running), null))
  t.ok(isCovered(existing(await store.get(id))))
})

t.test('a status change by an earlier version discards earlier proofs', async (t) => {
  const { store, change, accept } = await beside(t)
  const undecided = await accept({ userId: 'undecided' })
  const failed = await accept({ userId: 'failed' })
  await claim(store)
  await store.end(undecided.id, aCompletion({ undecided: 1, verificationDueAt: null }))
  await store.end(failed.id, aFailure())
  const other = await accept({ userId: 'failed' })
  await store.retry(failed.id, T0)
  t.match(await store.get(undecided.id), { proof: PROOF, undecided: 1, resolved: ['u1'] })
  t.match(await store.get(failed.id), { status: 'failed', supersededBy: other.id })
  const renewed = { proof: null, undecided: 0, resolved: [], verificationDueAt: 0, supersededBy: null }
  await change(other.id, `status = 'failed'`)
  for (const { id } of [undecided, failed]) {
    t.match(await change(id, `status = 'queued', outcome = NULL, completed_at = NULL`), renewed)
    t.match(await change(id, `status = 'running'`), renewed)
  }
})

t.test(
  'a revocation that an earlier version completes is not verified until it is listed again',
  async (t) => {
    const { store, change, accept } = await beside(t)
    const { id } = await accept()
    const completion = `status = 'completed', outcome = 'revoked', verified = 1, completed_at = ${T0}`
    await change(id, `status = 'running'`)
    t.match(await change(id, completion), { verified: false, proof: null, verificationDueAt: 0 })
    const confirmations = () => store.claimConfirmations({ now: T0, room: room(0, 10, 0).logout })
    t.match(await confirmations(), { claimed: [{ id }] })
    t.match(await store.confirm(id, PROVEN), { verified: true, proof: PROOF })

    // It was never verified, so an earlier version may retry it.
    const unverified = await accept({ userId: 'unverified' })
    await claim(store)
    await store.end(unverified.id, aCompletion({ verificationDueAt: T0 - 60_000 }))
    await confirmations()
    const failure = {
      error: FAILURE,
      fruitless: 9,
      failingSince: T0,
      verificationDueAt: null,
      backoffMs: null,
    }
    await store.confirm(unverified.id, { found: 'unknown', ...failure })
    await change(unverified.id, `status = 'queued'`)
    await change(unverified.id, `status = 'running'`)
    const again = await change(unverified.id, `${completion}, error_code = NULL, error_detail = NULL`)
    t.match(again, { verified: false, proof: null, verificationDueAt: 0 })
  },
)

t.test('a revocation that an earlier version inserts must be confirmed', async (t) => {
  const { open, insert, rows } = await openMigrated(t)
  const store = await open()
  const id = uuidv7(T0)
  await insert('revocations', [{ ...rows[0]?.row, id, user_value: 'another' }])
  t.match(await store.get(id), { status: 'queued', verificationDueAt: 0, signalTime: null })
})
