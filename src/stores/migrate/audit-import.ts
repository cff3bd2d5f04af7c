import { AUDIT_COLUMNS } from '../audit-row.ts'
import type { Query } from '../postgres/database.ts'

/** A row of a table of the audit trail, as it is stored. It is not parsed: a changed entry must stay as it is. */
export type AuditRow = Record<string, unknown>

const ENTRY = AUDIT_COLUMNS.join(', ')
const CHAIN = 'writer, sequence, hash, referenced, referenced_at, purged, purged_hash'

/** Imports entries in the caller's transaction, unless they exist or were deleted there. @returns their number */
export async function importEntries(query: Query, rows: readonly AuditRow[]): Promise<number> {
  const inserted = await query(
    `INSERT INTO curfew.audit_entries (${ENTRY})
     SELECT ${ENTRY} FROM json_populate_recordset(NULL::curfew.audit_entries, $1) AS v
     WHERE NOT EXISTS (SELECT FROM curfew.audit_chains AS c WHERE c.writer = v.writer AND c.purged >= v.sequence)
     ORDER BY writer, sequence ON CONFLICT DO NOTHING RETURNING 1`,
    [JSON.stringify(rows)],
  )
  return inserted.length
}

/** Imports the ends of chains in the caller's transaction. The next chain that starts in the database lists them. */
export async function importChains(query: Query, rows: readonly AuditRow[]): Promise<void> {
  await query(
    `INSERT INTO curfew.audit_chains AS known (${CHAIN})
     SELECT ${CHAIN} FROM json_populate_recordset(NULL::curfew.audit_chains, $1) ORDER BY writer
     ON CONFLICT (writer) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash
       WHERE known.sequence < excluded.sequence`,
    [JSON.stringify(rows)],
  )
}
