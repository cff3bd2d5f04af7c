import type { Query } from '../postgres/database.ts'

/** Imports notifications in the caller's transaction. Known ones are skipped. @returns their number */
export async function importNotifications(
  query: Query,
  rows: readonly Record<string, unknown>[],
): Promise<number> {
  const inserted = await query(
    `INSERT INTO curfew.notifications
     SELECT * FROM json_populate_recordset(NULL::curfew.notifications, $1) ORDER BY id
     ON CONFLICT (id) DO NOTHING RETURNING 1`,
    [JSON.stringify(rows)],
  )
  return inserted.length
}
