import { join } from 'node:path'
import type { SQLInputValue } from 'node:sqlite'
import type { Test } from 'tap'
import type { NewEntry } from '../../src/revocation/audit/chain.ts'
import { AUDIT_COLUMNS, toAuditValues } from '../../src/stores/audit-row.ts'
import { PostgresDatabase } from '../../src/stores/postgres/database.ts'
import { migrate } from '../../src/stores/postgres/migrations.ts'
import { openDatabase } from '../../src/stores/sqlite/database.ts'
import { startPostgres } from '../support/postgres.ts'
import { temporaryFolder } from '../support/service.ts'

/** An empty SQLite database with the current schema. */
export function sqliteTables(t: Test) {
  const database = openDatabase(join(temporaryFolder(t), 'curfew.db'))
  t.teardown(() => database.close())
  const names = AUDIT_COLUMNS.join(', ')
  const insert = database.prepare(
    `INSERT INTO audit_entries (${names}) VALUES (${AUDIT_COLUMNS.map(() => '?').join(', ')})`,
  )
  return {
    database,
    insert: async (entries: readonly NewEntry[]) => {
      for (const entry of entries) insert.run(...(toAuditValues(entry) as SQLInputValue[]))
    },
  }
}

/** An empty PostgreSQL database with Curfew's current schema. */
export async function postgresTables(t: Test) {
  const url = await (await startPostgres(t)).createDatabase()
  await migrate(url, async () => {})
  const database = new PostgresDatabase(url, 5)
  t.teardown(() => database.close())
  const names = AUDIT_COLUMNS.join(', ')
  return {
    database,
    insert: async (entries: readonly NewEntry[]) => {
      const rows = entries.map((entry) =>
        Object.fromEntries(toAuditValues(entry).map((value, index) => [AUDIT_COLUMNS[index] ?? '', value])),
      )
      await database.query(
        `INSERT INTO curfew.audit_entries (${names})
         SELECT ${names} FROM json_populate_recordset(NULL::curfew.audit_entries, $1)`,
        [JSON.stringify(rows)],
      )
    },
  }
}
