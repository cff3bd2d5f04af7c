import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { AuditReading } from '../../revocation/audit/audit-log.ts'
import { type AuditDialect, listAudit, type Rows } from '../audit-list.ts'
import { toStoredEntry } from '../audit-row.ts'
import { spansStatement, toSpan } from '../audit-spans.ts'
import { prepareOn } from './prepared.ts'

export const SQLITE_AUDIT: AuditDialect = {
  table: (name) => name,
  parameter: (n) => `?${n}`,
  // One parameter for all values: the statement stays the same.
  isIn: (column, parameter) => `${column} IN (SELECT value FROM json_each(${parameter}))`,
  list: (values) => JSON.stringify(values),
}

/** Reads the audit trail. @param read runs work outside of the writers' transactions */
export function sqliteAuditReading(
  database: DatabaseSync,
  read: <T>(work: () => T) => Promise<T>,
): Pick<AuditReading, 'list' | 'spans' | 'page'> {
  const { prepare } = prepareOn(database)
  const rows: Rows = async (text, values) => {
    // A scan of many windows must not block the event loop.
    await setImmediate()
    return read(() => prepare(text).all(...(values as SQLInputValue[])))
  }
  return {
    list: (query) => listAudit(query, rows, SQLITE_AUDIT),
    spans: async () => (await rows(spansStatement(SQLITE_AUDIT), [])).map(toSpan),
    async page(after, limit) {
      const found = await rows(
        `SELECT writer, sequence, entry, private, hash FROM audit_entries
         WHERE (writer, sequence) > (?, ?) ORDER BY writer, sequence LIMIT ?`,
        [after?.writer ?? '', after?.sequence ?? 0, limit],
      )
      return found.map(toStoredEntry)
    },
  }
}
