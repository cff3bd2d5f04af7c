import { copyFileSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/stores/sqlite/database.ts'
import { openSqliteStore, SqliteStore } from '../../../src/stores/sqlite/store.ts'
import { accept, claim } from '../../conformance/stores.ts'
import { fakeClock } from '../../support/clock.ts'
import { corrupt } from '../../support/corrupt.ts'
import { temporaryFolder } from '../../support/service.ts'
import { aSignal, T0 } from '../../support/signals.ts'

const REFUSED = { code: 'CURFEW_STORE_UNAVAILABLE', retryAfterSeconds: 5 }

function setUp(t: Test, existing?: string) {
  const path = existing ?? join(temporaryFolder(t), 'curfew.db')
  const lines: { level: string; message: string; detail?: string; action?: string }[] = []
  const to = (level: string) => (details: object, message: string) =>
    void lines.push({ level, message, ...details })
  const clock = fakeClock()
  const log = { info: to('info'), warn: to('warn'), error: to('error') }
  return { path, clock, lines, log }
}

/** @param existing the path of a store */
function openStore(t: Test, existing?: string) {
  const all = setUp(t, existing)
  const store = openSqliteStore(all.path, all.clock, all.log)
  t.teardown(() => store.close())
  return { ...all, store }
}

const DAMAGED = { level: 'error', message: 'the database is damaged; signals are refused' }

for (const suffix of ['', '-wal']) {
  const name = suffix === '' ? 'the database file' : 'the WAL'

  t.test(`${name} is removed: within a second the store reports it, and accepts nothing`, async (t) => {
    const { path, clock, lines, store } = openStore(t)
    const { id } = await accept(store, { userId: 'a' })
    await store.check()
    rmSync(`${path}${suffix}`)
    t.same(lines, [])
    clock.advance(1_000)
    t.match(lines, [{ ...DAMAGED, detail: /removed/, action: /Do not stop Curfew/ }], 'without a request')
    await t.rejects(store.check(), { ...REFUSED, message: /removed/ })
    await t.rejects(store.accept([aSignal()], null, T0), REFUSED)
    await t.rejects(store.noteSession({ tenant: 'default', source: 's', isOnly: true }, session), REFUSED)
    await t.rejects(store.retry(id, T0), REFUSED)
    t.match(await claim(store), [{ id }], 'what is queued is still worked on')
    clock.advance(10_000)
    t.equal(lines.length, 1, 'one line')
  })

  t.test(`${name} is replaced by a copy: reported as replaced`, async (t) => {
    const { path, store, lines } = openStore(t)
    await accept(store, { userId: 'a' })
    copyFileSync(`${path}${suffix}`, `${path}.copy`)
    renameSync(`${path}.copy`, `${path}${suffix}`)
    await t.rejects(store.accept([aSignal()], null, T0), { ...REFUSED, message: /replaced/ })
    t.match(lines, [DAMAGED])
  })
}

const session = { sid: 's', user: { kind: 'userId' as const, value: 'a' }, expiresAt: T0 + 60_000 }

t.test('a file that is removed while signals are being written: none of them is acknowledged', async (t) => {
  const { path, store } = openStore(t)
  const accepting = ['a', 'b'].map((userId) => store.accept([aSignal({ userId })], null, T0))
  rmSync(path)
  const results = await Promise.allSettled(accepting)
  t.same(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
})

t.test('a file that is put back is accepted', async (t) => {
  const { path, clock, lines, store } = openStore(t)
  renameSync(path, `${path}.away`)
  clock.advance(1_000)
  renameSync(`${path}.away`, path)
  clock.advance(1_000)
  await store.check()
  await accept(store)
  t.match(lines, [DAMAGED, { level: 'info', message: 'the database works again; signals are accepted' }])
})

t.test('a failed write counts until the whole database was checked, whatever is written since', async (t) => {
  const { path, clock, lines, log } = setUp(t)
  const database = openDatabase(path)
  const store = new SqliteStore(database, { path, clock, log, found: null })
  t.teardown(() => store.close())
  const limit = (pages: number) => database.prepare(`PRAGMA max_page_count = ${pages}`).get()
  const { id } = await accept(store, { userId: 'a' })
  limit(1)
  const many = Array.from({ length: 1_000 }, (_, index) => aSignal({ userId: `u${index}` }))
  await t.rejects(store.accept(many, null, T0), REFUSED)
  t.match(lines, [{ ...DAMAGED, detail: /full/, action: /Free disk space/ }])
  t.match(await claim(store), [{ id }], 'a claim changes an existing page, which succeeds')
  for (let second = 0; second < 60; second += 1) {
    clock.advance(1_000)
    await t.rejects(store.check(), { message: /full/ })
    await t.rejects(store.accept([aSignal()], null, T0), { message: /full/ })
  }
  t.equal(lines.length, 1)
  limit(100_000)
  await store.check()
  t.equal((await store.accept(many, null, T0)).revocations.length, 1_000)
  t.match(lines.at(-1), { level: 'info', message: /works again/ })
})

t.test(
  'a corrupted database opens, is reported, accepts nothing, and can be read where it is sound',
  async (t) => {
    const path = join(temporaryFolder(t), 'curfew.db')
    const before = openSqliteStore(path)
    const { id } = await accept(before, { userId: 'a' })
    await before.close()
    corrupt(path, 'replays_at')
    const { clock, lines, store } = openStore(t, path)
    t.match(lines, [{ ...DAMAGED, detail: /corrupted/, action: /restore the last backup/ }], 'at the start')
    await t.rejects(store.accept([aSignal()], null, T0), { ...REFUSED, message: /corrupted/ })
    t.match(await store.get(id), { id })
    clock.advance(1_000)
    await t.rejects(store.check(), { message: /corrupted/ }, 'a check of the whole database finds it again')
    t.equal(lines.length, 1)
  },
)

t.test('a corrupted database is not migrated', async (t) => {
  const path = join(temporaryFolder(t), 'curfew.db')
  openDatabase(path).close()
  const older = new DatabaseSync(path)
  older.exec('PRAGMA user_version = 5')
  older.close()
  corrupt(path, 'replays_at')
  const bytes = readFileSync(path)
  t.throws(() => openSqliteStore(path), {
    code: 'CURFEW_STORE_UNAVAILABLE',
    message: /Cannot migrate.*restore/,
  })
  t.same(readFileSync(path), bytes)
})
