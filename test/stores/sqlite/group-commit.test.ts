import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openDatabase } from '../../../src/stores/sqlite/database.ts'
import { GroupCommit } from '../../../src/stores/sqlite/group-commit.ts'
import { temporaryFolder } from '../../support/service.ts'

const SYNCED = { mustSync: true }

function setUp(t: Test) {
  const database = openDatabase(join(temporaryFolder(t), 'curfew.db'))
  database.exec('CREATE TABLE notes (text TEXT NOT NULL) STRICT')
  t.teardown(() => database.close())
  const insert = database.prepare('INSERT INTO notes (text) VALUES (?)')
  const commits = new GroupCommit(database)
  const transactions: string[] = []
  const exec = database.exec.bind(database)
  database.exec = (sql: string) => {
    transactions.push(sql)
    exec(sql)
  }
  const note = (text: string | null) => commits.write(() => insert.run(text).changes, SYNCED)
  const notes = () =>
    database
      .prepare('SELECT text FROM notes')
      .all()
      .map(({ text }) => text)
  return { database, commits, note, notes, transactions }
}

t.test('all writes of one tick are one transaction', async (t) => {
  const { note, notes, transactions } = setUp(t)
  await Promise.all(Array.from({ length: 100 }, (_, index) => note(String(index))))
  t.same(transactions, ['BEGIN IMMEDIATE', 'COMMIT'])
  t.equal(notes().length, 100)
})

t.test('a large batch is split into transactions of 500', async (t) => {
  const { note, notes, transactions } = setUp(t)
  await Promise.all(Array.from({ length: 1_200 }, (_, index) => note(String(index))))
  t.equal(transactions.filter((sql) => sql === 'COMMIT').length, 3)
  t.equal(notes().length, 1_200)
})

t.test('a write that throws is rolled back alone', async (t) => {
  const { commits, database, note, notes } = setUp(t)
  const half = commits.write(() => {
    database.prepare('INSERT INTO notes (text) VALUES (?)').run('half')
    throw new Error('on the way')
  }, SYNCED)
  const results = await Promise.allSettled([note('a'), half, note(null), note('b')])
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  )
  t.same(notes(), ['a', 'b'])
})

t.test('repeatable writes need no savepoints, and one that throws is still rolled back alone', async (t) => {
  const { commits, database, notes, transactions } = setUp(t)
  const insert = database.prepare('INSERT INTO notes (text) VALUES (?)')
  const runs: string[] = []
  const add = (text: string, then = () => {}) =>
    commits.write(
      () => {
        runs.push(text)
        insert.run(text)
        then()
        return text
      },
      { ...SYNCED, isRepeatable: true },
    )
  const fail = () => {
    throw new Error('on the way')
  }
  t.same(await Promise.all([add('a'), add('b')]), ['a', 'b'])
  t.same(runs, ['a', 'b'])
  const results = await Promise.allSettled([add('c'), add('d', fail), add('e')])
  t.match(results, [{ value: 'c' }, { reason: { message: 'on the way' } }, { value: 'e' }])
  t.same(notes(), ['a', 'b', 'c', 'e'])
  t.same(runs.join(''), 'abcdcde')
  let others = 0
  const other = () => commits.write(() => (others += 1), SYNCED)
  const mixed = await Promise.allSettled([add('f'), other(), add('g', fail), other()])
  t.match(mixed, [{ value: 'f' }, { value: 1 }, { status: 'rejected' }, { value: 2 }])
  t.same(notes(), ['a', 'b', 'c', 'e', 'f'])
  t.equal(transactions.filter((sql) => sql === 'ROLLBACK').length, 2)
})

t.test('on a full disk writes are reported as failed, and later ones succeed again', async (t) => {
  const { database, note, notes } = setUp(t)
  const { page_count: pages } = database.prepare('PRAGMA page_count').get() ?? {}
  database.prepare(`PRAGMA max_page_count = ${Number(pages) + 2}`).get()
  const results = await Promise.allSettled([note('small'), note('x'.repeat(100_000)), note('another')])
  t.same(
    results.map((result) => result.status === 'rejected' && result.reason.code),
    Array(3).fill('CURFEW_STORE_UNAVAILABLE'),
  )
  t.same(notes(), [])
  database.prepare('PRAGMA max_page_count = 1000000').get()
  await note('fits')
  t.same(notes(), ['fits'])
})

t.test('closing commits pending writes and rejects new ones', async (t) => {
  const { commits, note, notes } = setUp(t)
  const pending = note('pending')
  commits.close()
  t.equal(await pending, 1)
  t.same(notes(), ['pending'])
  await t.rejects(note('late'), { code: 'CURFEW_STORE_UNAVAILABLE' })
})

t.test('a read-only database rejects writes', async (t) => {
  const path = join(temporaryFolder(t), 'plain.db')
  new DatabaseSync(path).exec('CREATE TABLE notes (text TEXT)')
  const database = new DatabaseSync(path, { readOnly: true })
  t.teardown(() => database.close())
  const write = new GroupCommit(database).write(() => database.exec(`INSERT INTO notes VALUES ('a')`), SYNCED)
  await t.rejects(write, { code: 'CURFEW_STORE_UNAVAILABLE', retryAfterSeconds: 5 })
})

t.test('a transaction is synced if one of its writes must be', async (t) => {
  const { commits, database, transactions } = setUp(t)
  const level = () => database.prepare('PRAGMA synchronous').get()?.synchronous
  const levels = await Promise.all([
    commits.write(level, { mustSync: false }),
    commits.write(level, { mustSync: true }),
  ])
  t.same(levels, [2, 2], 'FULL for both')
  t.equal(await commits.write(level, { mustSync: false }), 1, 'NORMAL')
  t.equal(await commits.write(level, SYNCED), 2)
  t.equal(await commits.write(level, SYNCED), 2)
  t.equal(transactions.filter((sql) => sql.startsWith('PRAGMA')).length, 2, 'switched only when need be')
})
