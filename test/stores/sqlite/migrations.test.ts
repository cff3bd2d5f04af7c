import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/stores/sqlite/database.ts'
import { MIGRATIONS } from '../../../src/stores/sqlite/migrations.ts'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { aCompletion, claim, room } from '../../conformance/stores.ts'
import { temporaryFolder } from '../../support/service.ts'
import { aSignal, T0 } from '../../support/signals.ts'
import { earlierRows } from '../earlier-rows.ts'

/** The number of schema steps before proofs. */
const STEPS_BEFORE = 3

/** A file of that version with a revocation in every state, opened by this version. */
function openMigrated(t: Test) {
  const path = join(temporaryFolder(t), 'curfew.db')
  const file = new DatabaseSync(path)
  for (const step of MIGRATIONS.slice(0, STEPS_BEFORE)) file.exec(step)
  file.exec(`PRAGMA user_version = ${STEPS_BEFORE}`)
  const columns = file.prepare(`SELECT name FROM pragma_table_info('revocations')`).all()
  const rows = earlierRows(columns.map(({ name }) => String(name)))
  const insert = (table: string, row: Record<string, string | number | null>) => {
    const names = Object.keys(row)
    const statement = `INSERT INTO ${table} (${names}) VALUES (${names.map(() => '?')})`
    file.prepare(statement).run(...Object.values(row))
  }
  for (const { row } of rows) insert('revocations', row)
  const [queued] = rows
  if (!queued) throw new Error('expected a row')
  const answer = JSON.stringify([queued.row])
  insert('joined_ids', { id: 'joined', into_id: queued.id })
  insert('replays', { key: 'k', fingerprint: 'f', answer, at: T0 })
  insert('sessions', {
    ...{ tenant: 'default', sid: 's', user_kind: 'userId', user_value: 'u1', expires_at: T0 + 1 },
  })
  insert('permits', { tenant: 'default', client: 'c', tier: 2, at: T0, count: 7 })
  file.close()
  const store = openSqliteStore(path)
  t.teardown(() => store.close())
  return { store, rows, queued }
}

t.test('every row in a file of an earlier version is kept unchanged', async (t) => {
  const { store, rows, queued } = openMigrated(t)
  for (const { name, id, migrated } of rows) t.strictSame(await store.get(id), migrated, name)
  t.match(await store.get('joined'), { id: queued.id })
  const again = await store.accept([aSignal()], { key: 'k', fingerprint: 'f' }, T0)
  t.match(again, { replayed: true, revocations: [{ id: queued.id, status: 'queued' }] })
  const of = { tenant: 'default', source: 'portal', isOnly: true }
  t.match(await store.findSession(of, 's', T0), { user: { value: 'u1' } })
  const budget = { origin: 'https://tenant.example', tenant: 'default', client: 'c', tier: 2 } as const
  t.match(await store.permits.history(budget, T0), { permits: [{ at: T0, count: 7 }] })
})

t.test('pending revocations of an earlier version must be confirmed, finished ones need not', async (t) => {
  const { store, rows } = openMigrated(t)
  const confirmations = () => store.claimConfirmations({ now: T0 + 1_000, room: room(0, 10, 0).logout })
  t.same(await confirmations(), { claimed: [], postponed: 0 })
  t.equal(await store.recover(T0), 1)
  const claimed = await claim(store, T0 + 1)
  t.same(claimed.map(({ user }) => user.value).sort(), ['queued', 'running', 'waiting'])
  for (const { id } of claimed) {
    await store.end(id, aCompletion({ verificationDueAt: T0 + 1_000 }))
    t.match(await store.get(id), { status: 'completed', verified: false })
  }
  t.equal((await confirmations()).claimed.length, 3)
  const unverified = rows.find(({ name }) => name === 'unverified')?.id ?? ''
  t.match(await store.retry(unverified, T0), { status: 'queued', verificationDueAt: 0 })
})

t.test('a trail of an unreleased version gets the indexes of a new one', async (t) => {
  const indexes = `SELECT name, sql FROM sqlite_master WHERE tbl_name = 'audit_entries' AND sql IS NOT NULL ORDER BY name`
  /** The indexes of a file, opened by this version. */
  const indexesOf = (prepare: (file: DatabaseSync) => void) => {
    const path = join(temporaryFolder(t), 'curfew.db')
    const file = new DatabaseSync(path)
    prepare(file)
    file.close()
    openDatabase(path).close()
    const opened = new DatabaseSync(path)
    t.teardown(() => opened.close())
    return opened.prepare(indexes).all()
  }
  const created = indexesOf(() => {})
  t.equal(created.length, 6, 'the table and five indexes')
  for (const version of [8, 11, 12, 13])
    t.same(
      indexesOf((file) => {
        for (const step of MIGRATIONS.slice(0, version)) file.exec(step)
        file.exec(`DROP INDEX IF EXISTS audit_entries_user; CREATE INDEX audit_entries_user ON audit_entries (user_value);
          CREATE INDEX audit_entries_revocation ON audit_entries (revocation_id); PRAGMA user_version = ${version}`)
        if (version === 13) file.exec(`DROP INDEX audit_entries_user; ${MIGRATIONS[12]}`)
      }),
      created,
      `version ${version}`,
    )
})

t.test('a new file creates each index of the trail once', async (t) => {
  const file = new DatabaseSync(':memory:')
  t.teardown(() => file.close())
  const known = () =>
    file
      .prepare(`SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'audit_entries'`)
      .all()
      .map(({ name }) => String(name))
  for (const step of MIGRATIONS) {
    const dropped = [...step.matchAll(/DROP INDEX (?:IF EXISTS )?(\w+)/g)].map(([, name]) => name)
    t.same(
      known().filter((name) => dropped.includes(name)),
      [],
    )
    file.exec(step)
  }
  t.equal(known().length, 6)
})
