import type { Position, StoredEntry } from '../../revocation/audit/entry.ts'
import { toStoredEntry } from '../audit-row.ts'
import type { Query } from './database.ts'

/** Precedes every other UUID. */
const NIL = '00000000-0000-0000-0000-000000000000'

/** The SQL statements that read the audit trail, run by `query`. */
export function postgresAuditReading(query: Query) {
  return {
    async page(after: Position | null, limit: number): Promise<StoredEntry[]> {
      const rows = await query(
        `SELECT writer, sequence, entry, private, hash FROM curfew.audit_entries
         WHERE (writer, sequence) > ($1, $2) ORDER BY writer, sequence LIMIT $3`,
        [after?.writer ?? NIL, after?.sequence ?? 0, limit],
      )
      return rows.map(toStoredEntry)
    },
  }
}
