import type { Query } from './database.ts'
import type { Claimed } from './statements.ts'

/** The Qlik users that a run reserves. */
export interface Hold extends Claimed {
  tenant: string
  userIds: readonly string[]
  urgency: number
}

/** The SQL statements for the Qlik users that runs hold. See `RevocationStore.holdUsers`. */
export function heldUsers(query: Query) {
  return {
    /**
     * Reserves users for runs, for each run all or none. A user is taken from a run that is inactive or less urgent.
     * Two holds in one call must not name the same user.
     * @returns the ids of the runs that now hold their users
     */
    async hold(holds: readonly Hold[]): Promise<Set<string>> {
      const wanted = holds.flatMap(({ userIds, ...hold }) =>
        [...new Set(userIds)].map((user_id) => ({ ...hold, user_id })),
      )
      const held = await query(
        `INSERT INTO curfew.held_users AS known (tenant, user_id, revocation_id, claim, urgency)
         SELECT tenant, user_id, id, claim, urgency FROM json_to_recordset($1)
           AS v (tenant text, user_id text, id uuid, claim uuid, urgency smallint) ORDER BY tenant, user_id
         ON CONFLICT (tenant, user_id) DO UPDATE
           SET revocation_id = excluded.revocation_id, claim = excluded.claim, urgency = excluded.urgency
           WHERE known.revocation_id = excluded.revocation_id OR known.urgency > excluded.urgency
             OR NOT EXISTS (SELECT FROM curfew.revocations AS r
               WHERE r.id = known.revocation_id AND r.claim = known.claim AND r.status = 'running')
         RETURNING tenant, user_id`,
        [JSON.stringify(wanted)],
      )
      const key = ({ tenant, user_id }: { tenant?: unknown; user_id?: unknown }) =>
        JSON.stringify([tenant, user_id])
      const taken = new Set(held.map(key))
      const incomplete = new Set(wanted.filter((one) => !taken.has(key(one))).map(({ id }) => id))
      if (incomplete.size > 0) await this.release([...incomplete])
      return new Set(holds.map(({ id }) => id).filter((id) => !incomplete.has(id)))
    },

    /** Locks rows in the same order as `hold`, to prevent deadlocks. */
    async release(ids: readonly string[]): Promise<void> {
      await query(
        `WITH own AS MATERIALIZED (
           SELECT tenant, user_id FROM curfew.held_users WHERE revocation_id = ANY ($1) ORDER BY tenant, user_id FOR UPDATE)
         DELETE FROM curfew.held_users AS h USING own WHERE h.tenant = own.tenant AND h.user_id = own.user_id
           AND h.revocation_id = ANY ($1)`,
        [ids],
      )
    },

    /** The runs that lost one of their users to another run. */
    async displaced(
      held: readonly { id: string; claim: string; tenant: string; user_id: string }[],
    ): Promise<string[]> {
      if (held.length === 0) return []
      const found = await query(
        `SELECT DISTINCT own.id
         FROM json_to_recordset($1) AS own (id uuid, claim uuid, tenant text, user_id text)
         LEFT JOIN curfew.held_users AS h ON h.tenant = own.tenant AND h.user_id = own.user_id
         WHERE (h.revocation_id, h.claim) IS DISTINCT FROM (own.id, own.claim)`,
        [JSON.stringify(held)],
      )
      return found.map(({ id }) => String(id))
    },
  }
}
