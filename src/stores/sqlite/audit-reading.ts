import type { DatabaseSync } from 'node:sqlite'
import type { Position, StoredEntry } from '../../revocation/audit/entry.ts'
import { toStoredEntry } from '../audit-row.ts'

/** The SQL statements that read the audit trail. */
export function sqliteAuditReading(database: DatabaseSync) {
  const page = database.prepare(
    `SELECT writer, sequence, entry, private, hash FROM audit_entries
     WHERE (writer, sequence) > (?, ?) ORDER BY writer, sequence LIMIT ?`,
  )

  return {
    page: (after: Position | null, limit: number): StoredEntry[] =>
      page.all(after?.writer ?? '', after?.sequence ?? 0, limit).map(toStoredEntry),
  }
}
