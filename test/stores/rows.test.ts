import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { newRevocation } from '../../src/revocation/transitions.ts'
import { PostgresDatabase } from '../../src/stores/postgres/database.ts'
import { postgresStatements } from '../../src/stores/postgres/statements.ts'
import { openPostgresStore } from '../../src/stores/postgres/store.ts'
import { COLUMNS, toRevocation, toRow, toShortRow } from '../../src/stores/rows.ts'
import { openDatabase } from '../../src/stores/sqlite/database.ts'
import { sqliteStatements } from '../../src/stores/sqlite/statements.ts'
import { SILENT } from '../conformance/stores.ts'
import { anyRevocation } from '../support/arbitrary.ts'
import { startPostgres } from '../support/postgres.ts'
import { temporaryFolder } from '../support/service.ts'
import { aSignal } from '../support/signals.ts'

t.test('every member of a revocation is stored in a row and read back', async (t) => {
  fc.assert(
    fc.property(anyRevocation, (revocation) => {
      const row = toRow(revocation)
      t.same(Object.keys(row).sort(), [...COLUMNS].sort())
      t.strictSame(toRevocation(row), revocation)
    }),
    { numRuns: 100 },
  )
})

t.test('a short row has only what differs from the defaults, and is read back', async (t) => {
  fc.assert(
    fc.property(anyRevocation, (revocation) => {
      t.strictSame(toRevocation(JSON.parse(toShortRow(revocation))), revocation)
    }),
    { numRuns: 200 },
  )
  const names = Object.keys(JSON.parse(toShortRow(newRevocation('r', aSignal()))))
  for (const name of ['id', 'user_value', 'reason', 'due_at']) t.ok(names.includes(name), name)
  for (const name of ['proof', 'completed_at', 'error_code', 'attempts']) t.notOk(names.includes(name), name)
})

t.test('columns that a row of an earlier version lacks get their defaults', async (t) => {
  const [revocation] = fc.sample(anyRevocation, 1)
  if (!revocation) throw new Error('expected a sample')
  const { proof: _, resolved: __, undecided: ___, ...earlier } = toRow(revocation)
  t.match(toRevocation(earlier), { proof: null, resolved: [], undecided: 0, id: revocation.id })
})

t.test('SQLite returns every revocation as written', async (t) => {
  const database = openDatabase(join(temporaryFolder(t), 'curfew.db'))
  t.teardown(() => database.close())
  const sql = sqliteStatements(database)
  fc.assert(
    fc.property(anyRevocation, anyRevocation, (inserted, saved) => {
      t.strictSame(sql.find(sql.insert(inserted).id), inserted)
      sql.save({ ...saved, id: inserted.id })
      t.strictSame(sql.find(inserted.id), { ...saved, id: inserted.id })
      database.exec('DELETE FROM revocations')
    }),
    { numRuns: 100 },
  )
})

t.test('PostgreSQL returns every revocation as written', async (t) => {
  const server = await startPostgres(t)
  const url = await server.createDatabase()
  const store = await openPostgresStore(url, { connections: 2, clock: systemClock, log: SILENT })
  const database = new PostgresDatabase(url, 1)
  t.teardown(async () => {
    await database.close()
    await store.close()
  })
  await fc.assert(
    fc.asyncProperty(anyRevocation, anyRevocation, (inserted, saved) =>
      database.transaction(async (query) => {
        const sql = postgresStatements(query)
        await sql.insert([inserted])
        t.strictSame(await sql.find(inserted.id), inserted)
        await sql.save({ ...saved, id: inserted.id })
        t.strictSame(await sql.find(inserted.id), { ...saved, id: inserted.id })
        await sql.remove(inserted.id)
      }),
    ),
    { numRuns: 50 },
  )
})
