import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { openDatabase } from '../../../src/stores/sqlite/database.ts'
import { MIGRATIONS } from '../../../src/stores/sqlite/migrations.ts'
import { openSqliteStore } from '../../../src/stores/sqlite/store.ts'
import { accept, claim, existing, room, waiting } from '../../conformance/stores.ts'
import { temporaryFolder } from '../../support/service.ts'
import { aSignal, T0 } from '../../support/signals.ts'

t.test('a database is synced at each commit and readable by its owner only', async (t) => {
  const path = join(temporaryFolder(t), 'deep', 'curfew.db')
  const database = openDatabase(path)
  t.teardown(() => database.close())
  t.match(database.prepare('PRAGMA synchronous').get(), { synchronous: 2 }, 'FULL')
  t.match(database.prepare('PRAGMA journal_mode').get(), { journal_mode: 'wal' })
  t.match(database.prepare('PRAGMA user_version').get(), { user_version: MIGRATIONS.length })
  t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('files that others can read are restricted to their owner before they are opened', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  openDatabase(path).close()
  const files = ['', '-wal', '-shm', '-journal'].map((suffix) => `${path}${suffix}`)
  for (const file of files) {
    writeFileSync(file, '', { flag: 'a' })
    chmodSync(file, 0o644)
  }
  const database = openDatabase(path)
  t.teardown(() => database.close())
  database.exec('PRAGMA user_version = 1')
  for (const file of files.filter((one) => existsSync(one))) t.equal(statSync(file).mode & 0o777, 0o600, file)
  t.ok(existsSync(`${path}-wal`))
})

t.test('accepted signals are there after closing and reopening', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  const store = openSqliteStore(path)
  const { revocations } = await store.accept([aSignal()], { key: 'k', fingerprint: null }, T0)
  await store.close()
  const again = openSqliteStore(path)
  t.teardown(() => again.close())
  t.strictSame(await again.get(String(revocations[0]?.id)), revocations[0])
  t.match(await again.accept([aSignal()], { key: 'k', fingerprint: null }, T0), { replayed: true })
})

t.test('a second process on the same file is rejected without harm', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  const other = fork(join(import.meta.dirname, '../../support/hold-store.ts'), [path])
  t.teardown(() => other.kill())
  await once(other, 'message')
  t.throws(() => openSqliteStore(path), { code: 'CURFEW_STORE_LOCKED' })
  other.send('accept')
  const [id] = await once(other, 'message')
  other.kill('SIGKILL')
  await once(other, 'exit')
  const store = openSqliteStore(path)
  t.teardown(() => store.close())
  t.match(await store.get(String(id)), { status: 'queued' }, 'the lock ends with the process')
})

t.test('a database of a newer version is rejected and not changed', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  const newer = new DatabaseSync(path)
  newer.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`)
  newer.close()
  t.throws(() => openSqliteStore(path), { code: 'CURFEW_STORE_NEWER' })
  const database = new DatabaseSync(path)
  t.match(database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get(), { tables: 0 })
  database.close()
})

t.test('a file that is not a database, or cannot be one, is rejected', async (t) => {
  const folder = temporaryFolder(t)
  const text = join(folder, 'text.db')
  writeFileSync(text, 'no database, and longer than the header of one would be'.repeat(10))
  t.throws(() => openSqliteStore(text), { code: 'CURFEW_STORE_UNAVAILABLE' })
  mkdirSync(join(folder, 'folder.db'))
  t.throws(() => openSqliteStore(join(folder, 'folder.db')), { code: 'CURFEW_STORE_UNAVAILABLE' })
  t.throws(() => openSqliteStore(join(text, 'below.db')), { code: 'CURFEW_STORE_UNAVAILABLE' })
})

t.test('a row with an error code of another version is claimed like any other', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  const store = openSqliteStore(path)
  await store.accept([aSignal()], null, T0)
  await store.close()
  const database = new DatabaseSync(path)
  database.exec(`UPDATE revocations SET error_code = 'CURFEW_OF_TOMORROW', error_detail = ''`)
  database.close()
  const again = openSqliteStore(path)
  t.teardown(() => again.close())
  t.match(await again.claim({ now: T0, room: room(1, 1, 1) }), [{ error: { code: 'CURFEW_INTERNAL' } }])
})

t.test('recover queues running revocations again', async (t) => {
  const store = openSqliteStore(join(temporaryFolder(t), 'curfew.db'))
  t.teardown(() => store.close())
  const a = await accept(store, { userId: 'a' })
  const b = await accept(store, { userId: 'b' })
  await claim(store)
  const newer = await accept(store, { userId: 'a' })
  t.equal(await store.recover(T0), 2)
  t.match(await store.get(a.id), { status: 'queued', attempts: 1 })
  t.match(await store.get(b.id), { status: 'queued' })
  t.match(await store.get(newer.id), { id: a.id })
  t.equal(await store.recover(T0), 0)
})

t.test('after the clock was set back, nothing waits for the earlier time', async (t) => {
  const store = openSqliteStore(join(temporaryFolder(t), 'curfew.db'))
  t.teardown(() => store.close())
  const day = 24 * 60 * 60_000
  await accept(store, { userId: 'never tried', acceptedAt: T0 + day })
  await accept(store, { tenant: 'eu', userId: 'urgent', reason: 'security', acceptedAt: T0 + day })
  const tried = await accept(store, { userId: 'tried' })
  const [claimed] = await claim(store)
  await store.putBack(tried.id, { ...waiting(existing(claimed), T0 + day), backoffMs: 2_000 })
  await store.recover(T0)
  t.match(await claim(store), [{ user: { value: 'urgent' } }, { user: { value: 'never tried' } }])
  t.equal(await store.nextDueAt(T0), T0 + 2_000, 'but for the backoff that was chosen')
})

t.test('a retry is due at once, even if the clock was ahead when the signal came', async (t) => {
  const store = openSqliteStore(join(temporaryFolder(t), 'curfew.db'))
  t.teardown(() => store.close())
  const { id } = await accept(store, { acceptedAt: T0 + 3_600_000 })
  t.same(await claim(store), [])
  await store.retry(id, T0)
  t.match(await claim(store), [{ id }])
})

t.test('the claim uses its index, however long the backlog is', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  const database = openDatabase(path)
  t.teardown(() => database.close())
  const plan = database
    .prepare(
      `EXPLAIN QUERY PLAN SELECT * FROM revocations AS waiting
       WHERE status = 'queued' AND urgency = ? AND tenant = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?`,
    )
    .all(0, '', 0, 0)
    .map(({ detail }) => String(detail))
  t.match(plan, [/USING INDEX revocations_due/])
  t.equal(plan.length, 1, 'and sorts nothing')
})
