import type { Batch } from '../../revocation/batch.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { Query } from './database.ts'

export async function countMembers(query: Query, { tenant, id }: Batch): Promise<number> {
  const [found] = await query(
    'SELECT count(*) AS count FROM curfew.batch_members WHERE tenant = $1 AND batch = $2',
    [tenant, id],
  )
  return Number(found?.count)
}

export interface NewMembers {
  batch: Batch
  revocations: readonly Revocation[]
  now: number
}

/** Adds members in the transaction that has locked their revocations. */
export async function addMembers(query: Query, all: readonly NewMembers[]): Promise<void> {
  const rows = all.flatMap(({ batch: { tenant, id: batch }, revocations, now: at }) =>
    revocations.map(({ id }) => ({ tenant, batch, id, at })),
  )
  if (rows.length === 0) return
  await query(
    `INSERT INTO curfew.batch_members (tenant, batch, revocation_id, at)
     SELECT tenant, batch, id, at FROM json_to_recordset($1) AS v (tenant text, batch text, id uuid, at bigint)
     ORDER BY tenant, batch, id ON CONFLICT DO NOTHING`,
    [JSON.stringify(rows)],
  )
}
