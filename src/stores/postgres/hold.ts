import { uuidv7 } from '../../revocation/id.ts'
import { join } from '../../revocation/joined-signals.ts'
import { queueKey } from '../../revocation/keys.ts'
import type { SenderName } from '../../revocation/origin.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { Signal } from '../../revocation/signal.ts'
import * as transitions from '../../revocation/transitions.ts'
import { COLUMNS, heldBy, toRevocation, toRow } from '../rows.ts'
import type { Query } from './database.ts'
import { BY_USER, postgresStatements } from './statements.ts'

// Held revocations have no job. Transactions lock them before queued ones, and in the order of users.

const NAMES = COLUMNS.join(', ')

/** A signal whose sender has named too many users. */
export interface HeldSignal {
  signal: Signal
  sender: SenderName
}

/** Signals with the same key join the same held revocation. */
export function holdKey({ signal, sender }: HeldSignal): string {
  return `${queueKey(signal)} ${heldBy(sender)}`
}

/**
 * Joins each signal to the revocation that is held for the same sender, user and device type, or holds a new one.
 * Returns them by `holdKey`, and the ids of the new ones.
 */
export async function holdAll(
  query: Query,
  signals: readonly HeldSignal[],
): Promise<{ held: Map<string, Revocation>; insertedHeldIds: string[] }> {
  const held = new Map<string, Revocation>()
  for (const one of signals) {
    const { signal, sender } = one
    const earlier = held.get(holdKey(one))
    held.set(
      holdKey(one),
      earlier ? join(earlier, signal) : transitions.newHeld(uuidv7(signal.acceptedAt), signal, sender),
    )
  }
  const became = await holdOrJoin(query, [...held.values()])
  for (const [key, { id }] of held) {
    const one = became.get(id)
    if (one) held.set(key, one)
  }
  return { held, insertedHeldIds: [...became].flatMap(([id, one]) => (one.id === id ? [id] : [])) }
}

/**
 * Inserts each held revocation, or joins it to the one that is held for the same sender, user and device type.
 * @returns the resulting revocation, by the id of the given one
 */
export async function holdOrJoin(
  query: Query,
  revocations: readonly Revocation[],
): Promise<Map<string, Revocation>> {
  const became = new Map<string, Revocation>()
  let left = revocations
  while (left.length > 0) {
    const insertedIds = await insert(query, left)
    for (const one of left) if (insertedIds.has(one.id)) became.set(one.id, one)
    left = left.filter(({ id }) => !insertedIds.has(id))
    const known = left.length > 0 ? await lockedLike(query, left) : []
    const joining = new Map(left.map((one) => [keyOf(one), one]))
    const joined = known.flatMap((one) => {
      const other = joining.get(keyOf(one))
      return other ? [{ id: other.id, joined: join(one, other) }] : []
    })
    await postgresStatements(query).saveAll(joined.map(({ joined }) => joined))
    for (const { id, joined: one } of joined) became.set(id, one)
    // The others were released or cancelled in the meantime.
    left = left.filter(({ id }) => !became.has(id))
  }
  return became
}

function keyOf(revocation: Revocation): string {
  const { hold } = revocation
  return hold ? holdKey({ signal: revocation, sender: hold.sender }) : ''
}

async function insert(query: Query, held: readonly Revocation[]): Promise<Set<string>> {
  const inserted = await query(
    `INSERT INTO curfew.revocations (${NAMES})
     SELECT ${NAMES} FROM json_populate_recordset(NULL::curfew.revocations, $1)
     ORDER BY tenant, user_kind, user_value, coalesce(device_type, ''), held_by
     ON CONFLICT (${BY_USER}, held_by) WHERE status = 'held' DO NOTHING
     RETURNING id`,
    [JSON.stringify(held.map(toRow))],
  )
  return new Set(inserted.map(({ id }) => String(id)))
}

/** Locks and returns the revocations that are held for the same senders, users and device types. */
async function lockedLike(query: Query, held: readonly Revocation[]): Promise<Revocation[]> {
  const found = await query(
    `SELECT r.* FROM json_populate_recordset(NULL::curfew.revocations, $1) AS v
     JOIN curfew.revocations AS r ON r.status = 'held' AND r.tenant = v.tenant AND r.user_kind = v.user_kind
       AND r.user_value = v.user_value AND r.device_key = coalesce(v.device_type, '') AND r.held_by = v.held_by
     ORDER BY ${inOrder('r')} FOR UPDATE OF r`,
    [JSON.stringify(held.map(toRow))],
  )
  return found.map(toRevocation)
}

/** The lock order of held rows. */
export const inOrder = (row: string) =>
  [...BY_USER.split(', '), 'held_by'].map((name) => `${row}.${name}`).join(', ')
