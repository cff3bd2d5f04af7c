import type { Query } from '../postgres/database.ts'

/**
 * Imports members of batches in the caller's transaction, after all revocations. One that joined another revocation is
 * replaced by it; its revocation is locked against deletion. @returns their number
 */
export async function importBatchMembers(
  query: Query,
  rows: readonly Record<string, unknown>[],
): Promise<number> {
  const inserted = await query(
    `INSERT INTO curfew.batch_members (tenant, batch, revocation_id, at)
     SELECT v.tenant, v.batch, target.id, v.at
     FROM json_populate_recordset(NULL::curfew.batch_members, $1) AS v
     LEFT JOIN curfew.joined_ids AS joined ON joined.id = v.revocation_id
     JOIN curfew.revocations AS target ON target.id = coalesce(joined.into_id, v.revocation_id)
     ORDER BY v.tenant, v.batch, target.id FOR KEY SHARE OF target
     ON CONFLICT DO NOTHING RETURNING 1`,
    [JSON.stringify(rows)],
  )
  return inserted.length
}
