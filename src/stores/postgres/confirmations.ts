import { randomUUID } from 'node:crypto'
import type { NoteEvents } from '../../revocation/audit/entry.ts'
import { proofEvents } from '../../revocation/audit/events.ts'
import { userKey } from '../../revocation/keys.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { Room } from '../../revocation/schedule.ts'
import {
  type ClaimedConfirmations,
  CONFIRMATION_LEASE_MS,
  type ConfirmationsRequest,
  SUCCESSOR_WAIT_MS,
} from '../../revocation/store/confirmation-store.ts'
import * as transitions from '../../revocation/transitions.ts'
import { toRevocation } from '../rows.ts'
import type { PostgresAuditWriting } from './audit-writing.ts'
import { Batches } from './batches.ts'
import { confirmOlder, requeue } from './changes.ts'
import type { DatabaseClock } from './clock.ts'
import { type PostgresDatabase, type Query, UNSYNCED } from './database.ts'
import type { PostgresJobs } from './jobs.ts'
import { type Claimed, postgresStatements, SAME_USER, UNCONFIRMED } from './statements.ts'

/**
 * The tenants with pending confirming listings, found by one lookup per tenant in the index `revocations_unconfirmed`.
 */
const UNCONFIRMED_TENANTS = `tenants (name) AS (
  SELECT min(tenant) FROM curfew.revocations AS r WHERE ${UNCONFIRMED('r')}
  UNION ALL
  SELECT (SELECT min(tenant) FROM curfew.revocations AS r WHERE ${UNCONFIRMED('r')} AND tenant > name)
  FROM tenants WHERE name IS NOT NULL)`

export interface ConfirmationsOptions {
  database: PostgresDatabase
  audit: PostgresAuditWriting
  databaseClock: DatabaseClock
  jobs: PostgresJobs
  /** ms since the epoch. */
  now: () => number
}

const CONFIRMED_AT_ONCE = 200

interface ConfirmationOf extends Claimed {
  confirmation: transitions.Confirmation
}

/**
 * Claims due confirming listings and records their results. They are found by a query instead of jobs, because replicas
 * of versions without confirming listings fetch every job. Due times are on the database clock, which all replicas
 * share.
 */
export class PostgresConfirmations {
  readonly #options: ConfirmationsOptions
  /** The claims of confirmations in progress in this process, by revocation id. */
  readonly #claims = new Map<string, string>()
  readonly #confirms: Batches<ConfirmationOf, Revocation | null>

  constructor(options: ConfirmationsOptions) {
    const { audit, jobs, now } = options
    this.#options = options
    this.#confirms = new Batches({
      run: async (confirmations: readonly ConfirmationOf[]) => {
        const became = await audit.transaction((query, note) =>
          confirmTogether(query, jobs, confirmations, { now: now(), note }),
        )
        return confirmations.map(({ id }) => became.get(id) ?? null)
      },
      concurrency: 2,
      largest: CONFIRMED_AT_ONCE,
    })
  }

  /** See `RevocationStore.claimConfirmations`. */
  async claim({ now, room }: ConfirmationsRequest): Promise<ClaimedConfirmations> {
    if (room.total <= 0) return { claimed: [], postponed: 0 }
    const { database, databaseClock } = this.#options
    const dueBy = databaseClock.toDatabase(now)
    const ids = await dueIds(database.query, room, dueBy)
    if (ids.length === 0) return { claimed: [], postponed: 0 }
    const claim = randomUUID()
    const { claimed, postponed } = await database.transaction(
      (query) => take(query, ids, claim, dueBy),
      UNSYNCED,
    )
    for (const { id } of claimed) this.#claims.set(id, claim)
    return { claimed, postponed }
  }

  /** When the next confirming listing is due after `now`; null if there is none. */
  async nextDueAt(now: number): Promise<number | null> {
    const { database, databaseClock } = this.#options
    const [found] = await database.query(
      `WITH RECURSIVE ${UNCONFIRMED_TENANTS}
       SELECT min((SELECT min(verification_due_at) FROM curfew.revocations AS r
         WHERE ${UNCONFIRMED('r')} AND tenant = tenants.name AND verification_due_at > $1)) AS at
       FROM tenants WHERE name IS NOT NULL`,
      [databaseClock.toDatabase(now)],
    )
    return typeof found?.at === 'number' ? databaseClock.fromDatabase(found.at) : null
  }

  /** See `RevocationStore.confirm`. */
  async confirm(id: string, confirmation: transitions.Confirmation): Promise<Revocation | null> {
    const claim = this.#claims.get(id)
    if (claim === undefined) return null
    const onDatabaseClock = onClock(this.#options.databaseClock, confirmation)
    const confirmed = await this.#confirms.ask({ id, claim, confirmation: onDatabaseClock })
    if (this.#claims.get(id) === claim) this.#claims.delete(id)
    return confirmed
  }
}

function onClock(clock: DatabaseClock, confirmation: transitions.Confirmation): transitions.Confirmation {
  if (confirmation.found !== 'unknown' || confirmation.verificationDueAt === null) return confirmation
  return { ...confirmation, verificationDueAt: clock.toDatabase(confirmation.verificationDueAt) }
}

/** The due revocations of each tenant, up to its room, longest overdue first. */
async function dueIds(
  query: Query,
  { total, perTenant, exceptions }: Room,
  dueBy: number,
): Promise<string[]> {
  const due = await query(
    `WITH RECURSIVE ${UNCONFIRMED_TENANTS},
     rooms AS (SELECT key AS name, value::integer AS room FROM json_each_text($3))
     SELECT due.id FROM tenants LEFT JOIN rooms USING (name)
     CROSS JOIN LATERAL (
       SELECT id, verification_due_at FROM curfew.revocations AS r
       WHERE ${UNCONFIRMED('r')} AND tenant = tenants.name AND verification_due_at <= $4
       ORDER BY verification_due_at LIMIT coalesce(room, $2)) AS due
     ORDER BY due.verification_due_at LIMIT $1`,
    [total, perTenant, JSON.stringify(Object.fromEntries(exceptions)), dueBy],
  )
  return due.map(({ id }) => String(id))
}

async function take(
  query: Query,
  ids: readonly string[],
  claim: string,
  now: number,
): Promise<ClaimedConfirmations> {
  const due = await query(
    `SELECT r.*, EXISTS (
         SELECT 1 FROM curfew.revocations AS other
         WHERE ${SAME_USER('other', 'r')} AND other.status IN ('queued', 'running'))
       OR EXISTS (
         SELECT 1 FROM curfew.revocations AS other
         WHERE ${SAME_USER('other', 'r')} AND ${UNCONFIRMED('other')}
           AND (other.completed_at, other.id) > (r.completed_at, r.id)) AS has_successor
     FROM curfew.revocations AS r
     WHERE id = ANY ($1) AND ${UNCONFIRMED('r')} AND verification_due_at <= $2
     FOR UPDATE OF r SKIP LOCKED`,
    [ids, now],
  )
  const claimed = due.filter(({ has_successor }) => has_successor === false).map(toRevocation)
  const wait = 'UPDATE curfew.revocations SET verification_due_at = $2, claim = $3 WHERE id = ANY ($1)'
  await query(wait, [claimed.map(({ id }) => id), now + CONFIRMATION_LEASE_MS, claim])
  const later = due.filter(({ has_successor }) => has_successor === true).map(({ id }) => id)
  if (later.length > 0) await query(wait, [later, now + SUCCESSOR_WAIT_MS, null])
  return { claimed, postponed: later.length }
}

/** Records the results of confirming listings with valid claims. Returns the changed revocations by id. */
async function confirmTogether(
  query: Query,
  jobs: PostgresJobs,
  confirmations: readonly ConfirmationOf[],
  { now, note }: { now: number; note: NoteEvents },
): Promise<Map<string, Revocation>> {
  const sql = postgresStatements(query)
  const byId = new Map(confirmations.map(({ id, confirmation }) => [id, confirmation]))
  const confirmed: Revocation[] = []
  const again: transitions.Queued[] = []
  const became = new Map<string, Revocation>()
  for (const completed of await sql.findUnconfirmed(confirmations)) {
    const confirmation = byId.get(completed.id)
    if (!confirmation) continue
    // Only a revocation that is queued again can meet another queued one.
    const newer = confirmation.found === 'tokens' ? await sql.queuedOf(completed) : null
    const next = transitions.confirm(completed, confirmation, newer)
    if ('queued' in next) again.push(next)
    else confirmed.push(next.confirmed)
  }
  await sql.saveAll(confirmed)
  note(confirmed.flatMap(proofEvents), now)
  await confirmOlder(query, confirmed, note, now)
  for (const one of confirmed) became.set(one.id, one)
  // The same lock order as when runs end: queued rows come last. Each user has at most one claim.
  for (const next of again) became.set(next.queued.id, await requeue(query, jobs, next, now))
  await sql.notifyEnded([...became.values()].map(({ tenant, user }) => userKey(tenant, user)))
  return became
}
