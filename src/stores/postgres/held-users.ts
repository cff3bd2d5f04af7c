import type { Query } from './database.ts'

/** The Qlik users that runs hold, as functions; each runs where `query` does. See `RevocationStore.holdUsers`. */
export function heldUsers(query: Query) {
  return {
    /**
     * Takes users for a run, in the caller's transaction: all, or none. One that a run holds which is not at work any more,
     * or is less urgent, is taken away from it.
     */
    async hold(
      { id, claim, tenant }: { id: string; claim: string; tenant: string },
      userIds: readonly string[],
      urgency: number,
    ): Promise<boolean> {
      const held = await query(
        `INSERT INTO curfew.held_users AS known (tenant, user_id, revocation_id, claim, urgency)
         SELECT $1, user_id, $3, $4, $5 FROM unnest($2::text[]) AS user_id ORDER BY user_id
         ON CONFLICT (tenant, user_id) DO UPDATE
           SET revocation_id = excluded.revocation_id, claim = excluded.claim, urgency = excluded.urgency
           WHERE known.revocation_id = excluded.revocation_id OR known.urgency > excluded.urgency
             OR NOT EXISTS (SELECT FROM curfew.revocations AS r
               WHERE r.id = known.revocation_id AND r.claim = known.claim AND r.status = 'running')
         RETURNING 1`,
        [tenant, [...new Set(userIds)], id, claim, urgency],
      )
      if (held.length === new Set(userIds).size) return true
      await this.release([id])
      return false
    },

    async release(ids: readonly string[]): Promise<void> {
      await query('DELETE FROM curfew.held_users WHERE revocation_id = ANY ($1)', [ids])
    },

    /** Of these runs and the users that they hold, the runs from which one was taken away. */
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
