import { type Batch, requireRoom } from '../../revocation/batch.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { Query } from './database.ts'

/** The requests whose batch has no room for them, with the error of each. */
export async function withoutRoom<Request extends { batch?: Batch | undefined; signals: readonly unknown[] }>(
  query: Query,
  requests: readonly Request[],
): Promise<Map<Request, { ok: false; error: unknown }>> {
  const rejected = new Map<Request, { ok: false; error: unknown }>()
  for (const request of requests) {
    if (!request.batch) continue
    const { tenant, id } = request.batch
    const [found] = await query(
      'SELECT count(*) AS count FROM curfew.batch_members WHERE tenant = $1 AND batch = $2',
      [tenant, id],
    )
    try {
      requireRoom(Number(found?.count), request.signals.length)
    } catch (error) {
      rejected.set(request, { ok: false, error })
    }
  }
  return rejected
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
