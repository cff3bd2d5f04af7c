import type { Revocation } from '../../revocation/revocation.ts'
import { type Prepared, SAME_USER } from './prepared.ts'

/** A confirming listing is never further away than this, unless a backoff was chosen. */
const LONGEST_LEEWAY_MS = 10_000

/** The tenants that have a confirming listing due, now or later, by one look-up each in the index `revocations_unconfirmed`. */
const UNCONFIRMED_TENANTS = `unconfirmed_tenants (name) AS (
  SELECT min(tenant) FROM revocations WHERE status = 'completed' AND verification_due_at IS NOT NULL
  UNION ALL
  SELECT (SELECT min(tenant) FROM revocations
    WHERE status = 'completed' AND verification_due_at IS NOT NULL AND tenant > name)
  FROM unconfirmed_tenants WHERE name IS NOT NULL
)`

/** The statements for confirming listings, as functions. They read and write within the caller's transaction. */
export function unconfirmedStatements({ prepare, rows }: Prepared) {
  return {
    /** The tenants that have a confirming listing due, the longest due first. */
    tenants: (now: number): string[] =>
      prepare(
        `WITH RECURSIVE ${UNCONFIRMED_TENANTS}
         SELECT name, (SELECT min(verification_due_at) FROM revocations
           WHERE status = 'completed' AND verification_due_at IS NOT NULL AND tenant = name) AS due_at
         FROM unconfirmed_tenants WHERE name IS NOT NULL AND due_at <= ? ORDER BY due_at`,
      )
        .all(now)
        .map(({ name }) => String(name)),

    /** Those of a tenant whose confirming listing is due, the longest due first. */
    due: (tenant: string, now: number, limit: number): Revocation[] =>
      rows(
        `SELECT * FROM revocations WHERE status = 'completed' AND verification_due_at <= ? AND tenant = ?
         ORDER BY verification_due_at LIMIT ?`,
        now,
        tenant,
        limit,
      ),

    /** Whether a newer one of the same user waits, runs, or has a confirming listing due: that proves this one, too. */
    hasSuccessor: (id: string): boolean =>
      prepare(
        `SELECT 1 FROM revocations AS r WHERE id = ? AND (
           EXISTS (SELECT 1 FROM revocations AS other
             WHERE ${SAME_USER('other', 'r')} AND other.place IN ('queued', 'running'))
           OR EXISTS (SELECT 1 FROM revocations AS other
             WHERE ${SAME_USER('other', 'r')} AND other.status = 'completed' AND other.verification_due_at IS NOT NULL
               AND (other.completed_at, other.id) > (r.completed_at, r.id)))`,
      ).get(id) !== undefined,

    /** The others of the same user whose confirming listing is due. */
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
        `UPDATE revocations SET verification_due_at = ?1 + ifnull(backoff_ms, ?2)
         WHERE status = 'completed' AND verification_due_at > ?1 + ifnull(backoff_ms, ?2)`,
      ).run(now, LONGEST_LEEWAY_MS)
    },
  }
}
