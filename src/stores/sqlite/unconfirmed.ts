import type { Revocation } from '../../revocation/revocation.ts'
import { type Prepared, SAME_USER } from './prepared.ts'

/** The longest time until a confirming listing is due, unless a backoff is recorded. */
const LONGEST_LEEWAY_MS = 10_000

/**
 * The tenants with pending confirming listings, found by one lookup per tenant in the index `revocations_unconfirmed`.
 */
const UNCONFIRMED_TENANTS = `unconfirmed_tenants (name) AS (
  SELECT min(tenant) FROM revocations WHERE status = 'completed' AND verification_due_at IS NOT NULL
  UNION ALL
  SELECT (SELECT min(tenant) FROM revocations
    WHERE status = 'completed' AND verification_due_at IS NOT NULL AND tenant > name)
  FROM unconfirmed_tenants WHERE name IS NOT NULL
)`

/** The SQL statements for confirming listings. They run in the caller's transaction. */
export function unconfirmedStatements({ prepare, rows }: Prepared) {
  return {
    /** The tenants with due confirming listings, longest overdue first. */
    tenants: (now: number): string[] =>
      prepare(
        `WITH RECURSIVE ${UNCONFIRMED_TENANTS}
         SELECT name, (SELECT min(verification_due_at) FROM revocations
           WHERE status = 'completed' AND verification_due_at IS NOT NULL AND tenant = name) AS due_at
         FROM unconfirmed_tenants WHERE name IS NOT NULL AND due_at <= ? ORDER BY due_at`,
      )
        .all(now)
        .map(({ name }) => String(name)),

    /** The revocations of a tenant with a due confirming listing, longest overdue first. */
    due: (tenant: string, now: number, limit: number): Revocation[] =>
      rows(
        `SELECT * FROM revocations WHERE status = 'completed' AND verification_due_at <= ? AND tenant = ?
         ORDER BY verification_due_at LIMIT ?`,
        now,
        tenant,
        limit,
      ),

    /**
     * Whether a newer revocation of the same user is queued, running or unconfirmed. Its proof confirms this one, too.
     */
    hasSuccessor: (id: string): boolean =>
      prepare(
        `SELECT 1 FROM revocations AS r WHERE id = ? AND (
           EXISTS (SELECT 1 FROM revocations AS other
             WHERE ${SAME_USER('other', 'r')} AND other.place IN ('queued', 'running'))
           OR EXISTS (SELECT 1 FROM revocations AS other
             WHERE ${SAME_USER('other', 'r')} AND other.status = 'completed' AND other.verification_due_at IS NOT NULL
               AND (other.completed_at, other.id) > (r.completed_at, r.id)))`,
      ).get(id) !== undefined,

    /** The other unconfirmed revocations of the same user. */
    othersOf: (id: string): Revocation[] =>
      rows(
        `SELECT other.* FROM revocations AS r JOIN revocations AS other ON ${SAME_USER('other', 'r')}
         WHERE r.id = ? AND other.id <> r.id AND other.status = 'completed' AND other.verification_due_at IS NOT NULL`,
        id,
      ),

    nextDueAt(now: number): unknown {
      return prepare(
        `WITH RECURSIVE ${UNCONFIRMED_TENANTS}
         SELECT min((SELECT min(verification_due_at) FROM revocations
           WHERE status = 'completed' AND verification_due_at > ?1 AND tenant = name)) AS due_at
         FROM unconfirmed_tenants WHERE name IS NOT NULL`,
      ).get(now)?.due_at
    },

    /** See `sqliteStatements`. */
    waitNoLongerThan(now: number): void {
      prepare(
        `UPDATE revocations INDEXED BY revocations_unconfirmed
         SET verification_due_at = ?1 + ifnull(backoff_ms, ?2)
         WHERE status = 'completed' AND verification_due_at > ?1 + ifnull(backoff_ms, ?2)`,
      ).run(now, LONGEST_LEEWAY_MS)
    },
  }
}
