import type { NoteEvents } from '../../revocation/audit/entry.ts'
import { decisionEvent } from '../../revocation/audit/events.ts'
import { userKey } from '../../revocation/keys.ts'
import type { Origin } from '../../revocation/origin.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { Decided, HeldQuery } from '../../revocation/store/held-store.ts'
import * as transitions from '../../revocation/transitions.ts'
import { heldBy, toRevocation } from '../rows.ts'
import { queueOrJoin } from './accept.ts'
import type { Query } from './database.ts'
import { inOrder } from './hold.ts'
import type { PostgresJobs } from './jobs.ts'
import { isUuid, postgresStatements } from './statements.ts'

interface DecisionRequest {
  held: HeldQuery
  now: number
  origin: Origin | undefined
}

const SELECTED = `status = 'held' AND ($1::uuid[] IS NULL OR id = ANY ($1)) AND ($2::text IS NULL OR held_by = $2)
  AND ($3::text[] IS NULL OR tenant = ANY ($3))`

const selectionOf = ({ ids, sender, tenants }: HeldQuery): unknown[] => [
  ids?.filter(isUuid) ?? null,
  sender ? heldBy(sender) : null,
  tenants ?? null,
]

/** Locks and returns the oldest held revocations that a query selects. */
async function find(query: Query, held: HeldQuery): Promise<Revocation[]> {
  const found = await query(
    `SELECT * FROM curfew.revocations AS r WHERE status = 'held' AND id IN (
       SELECT id FROM curfew.revocations WHERE ${SELECTED} ORDER BY id LIMIT $4)
     ORDER BY ${inOrder('r')} FOR UPDATE`,
    [...selectionOf(held), held.limit],
  )
  return found.map(toRevocation)
}

/** The number of found ones is not conclusive: another operator may have decided about some of them since they were selected. */
async function isLeft(query: Query, held: HeldQuery): Promise<boolean> {
  const [found] = await query(`SELECT FROM curfew.revocations WHERE ${SELECTED} LIMIT 1`, selectionOf(held))
  return found !== undefined
}

/** See `RevocationStore.release`. Released revocations are inserted again, with jobs, like new ones. */
export async function release(
  query: Query,
  jobs: PostgresJobs,
  { held, now, origin }: DecisionRequest,
  note: NoteEvents,
): Promise<Decided> {
  const found = await find(query, held)
  const ids = found.map(({ id }) => id)
  // Deleted with their rows.
  const joins = await query('SELECT id, into_id FROM curfew.joined_ids WHERE into_id = ANY ($1)', [ids])
  await query('DELETE FROM curfew.revocations WHERE id = ANY ($1)', [ids])
  const released = found.map((one) => transitions.release(one, now, origin?.name ?? null))
  const became = await queueOrJoin(query, jobs, released, (inserted) => jobs.add(query, inserted))
  const joined = [...became].flatMap(([id, { id: into }]) => (id === into ? [] : [{ id, into }]))
  const rejoined = joins.map(({ id, into_id }) => ({ id, into: became.get(String(into_id))?.id }))
  await query(
    'INSERT INTO curfew.joined_ids (id, into_id) SELECT id, "into" FROM json_to_recordset($1) AS v (id uuid, "into" uuid)',
    [JSON.stringify([...joined, ...rejoined])],
  )
  note(
    found.map((one) => decisionEvent('released', one, { into: became.get(one.id)?.id ?? one.id, origin })),
    now,
  )
  const revocations = ids.flatMap((id) => became.get(id) ?? [])
  return { revocations, joined: joined.length, more: await isLeft(query, held) }
}

/** See `RevocationStore.cancel`. */
export async function cancel(
  query: Query,
  { held, now, origin }: DecisionRequest,
  note: NoteEvents,
): Promise<Decided> {
  const sql = postgresStatements(query)
  const found = await find(query, held)
  const cancelled = found.map((one) => transitions.cancel(one, now, origin?.name ?? null))
  await sql.saveAll(cancelled)
  note(
    cancelled.map((one) => decisionEvent('cancelled', one, { into: one.id, origin })),
    now,
  )
  await sql.notifyEnded(cancelled.map(({ tenant, user }) => userKey(tenant, user)))
  return { revocations: cancelled, joined: 0, more: await isLeft(query, held) }
}
