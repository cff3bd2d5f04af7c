import type { Query } from './database.ts'
import { BY_USER, type Claimed } from './statements.ts'

/** The Qlik users that a run locks. */
export interface UserLocks extends Claimed {
  tenant: string
  userIds: readonly string[]
  urgency: number
}

/**
 * The SQL statements for user locks: see `RevocationStore.lockUsers`. Their table is named `held_users`, because replicas of
 * earlier versions use it.
 */
export function userLocks(query: Query) {
  /** Removes the locks of runs, or only those of these claims. Locks rows in the same order as `lock`, to prevent deadlocks. */
  async function release(ids: readonly string[], claims: readonly string[] | null): Promise<void> {
    const isOwn = (row: string) =>
      `${row}.revocation_id = ANY ($1) AND ($2::uuid[] IS NULL
         OR (${row}.revocation_id, ${row}.claim) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])))`
    await query(
      `WITH own AS MATERIALIZED (
         SELECT tenant, user_id FROM curfew.held_users AS h WHERE ${isOwn('h')} ORDER BY tenant, user_id FOR UPDATE)
       DELETE FROM curfew.held_users AS h USING own
       WHERE h.tenant = own.tenant AND h.user_id = own.user_id AND ${isOwn('h')}`,
      [ids, claims],
    )
  }

  return {
    /**
     * Locks users for runs, for each run all or none. A user is taken from a run that is inactive or less urgent. No two
     * runs in one call may name the same user. A run without a valid claim locks nobody. The rows of the runs stay locked
     * until this transaction ends, so a transaction that ends one of them later sees its locks, and removes them.
     * @returns the ids of the runs that now have their locks
     */
    async lock(wanted: readonly UserLocks[]): Promise<Set<string>> {
      const rows = wanted.flatMap(({ userIds, ...run }) =>
        [...new Set(userIds)].map((user_id) => ({ ...run, user_id })),
      )
      // In a statement of its own, because it can wait: the next one must know the runs that began in the meantime.
      const valid = await query(
        `SELECT r.id FROM curfew.revocations AS r JOIN unnest($1::uuid[], $2::uuid[]) AS own (id, claim) USING (id)
         WHERE r.claim = own.claim AND r.status = 'running' ORDER BY ${BY_USER} FOR SHARE OF r`,
        [wanted.map(({ id }) => id), wanted.map(({ claim }) => claim)],
      )
      const locked = await query(
        `INSERT INTO curfew.held_users AS known (tenant, user_id, revocation_id, claim, urgency)
         SELECT tenant, user_id, id, claim, urgency FROM json_to_recordset($1)
           AS v (tenant text, user_id text, id uuid, claim uuid, urgency smallint)
         WHERE id = ANY ($2) ORDER BY tenant, user_id
         ON CONFLICT (tenant, user_id) DO UPDATE
           SET revocation_id = excluded.revocation_id, claim = excluded.claim, urgency = excluded.urgency
           WHERE known.revocation_id = excluded.revocation_id OR known.urgency > excluded.urgency
             OR NOT EXISTS (SELECT FROM curfew.revocations AS r
               WHERE r.id = known.revocation_id AND r.claim = known.claim AND r.status = 'running')
         RETURNING tenant, user_id`,
        [JSON.stringify(rows), valid.map(({ id }) => id)],
      )
      const key = ({ tenant, user_id }: { tenant?: unknown; user_id?: unknown }) =>
        JSON.stringify([tenant, user_id])
      const taken = new Set(locked.map(key))
      const incompleteIds = new Set(rows.filter((one) => !taken.has(key(one))).map(({ id }) => id))
      const incomplete = wanted.filter(({ id }) => incompleteIds.has(id))
      // Only of these claims: another process may have claimed the revocation since.
      if (incomplete.length > 0)
        await release(
          incomplete.map(({ id }) => id),
          incomplete.map(({ claim }) => claim),
        )
      return new Set(wanted.map(({ id }) => id).filter((id) => !incompleteIds.has(id)))
    },

    release: (ids: readonly string[]): Promise<void> => release(ids, null),

    /** The runs that lost one of their users to another run. */
    async displaced(
      locks: readonly { id: string; claim: string; tenant: string; user_id: string }[],
    ): Promise<string[]> {
      if (locks.length === 0) return []
      const found = await query(
        `SELECT DISTINCT own.id
         FROM json_to_recordset($1) AS own (id uuid, claim uuid, tenant text, user_id text)
         LEFT JOIN curfew.held_users AS h ON h.tenant = own.tenant AND h.user_id = own.user_id
         WHERE (h.revocation_id, h.claim) IS DISTINCT FROM (own.id, own.claim)`,
        [JSON.stringify(locks)],
      )
      return found.map(({ id }) => String(id))
    },
  }
}
