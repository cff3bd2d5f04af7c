import type { Session } from '../../revocation/session.ts'
import { toSession, toSessionRow } from '../session-row.ts'
import type { Query } from './database.ts'

/** The SQL statements of the sessions, as functions; each runs where `query` does. */
export function postgresSessions(query: Query) {
  /** In order, so that no two processes wait in a circle. */
  const insert = (sessions: readonly Session[], onConflict: string) =>
    query(
      `INSERT INTO curfew.sessions (tenant, sid, user_kind, user_value, expires_at)
       SELECT tenant, sid, user_kind, user_value, expires_at
       FROM json_populate_recordset(NULL::curfew.sessions, $1) ORDER BY tenant, sid
       ON CONFLICT (tenant, sid) ${onConflict} RETURNING 1`,
      [JSON.stringify(sessions.map(toSessionRow))],
    )

  return {
    async note(session: Session): Promise<void> {
      const newer = ['user_kind', 'user_value', 'expires_at'].map((name) => `${name} = excluded.${name}`)
      await insert([session], `DO UPDATE SET ${newer.join(', ')}`)
    },

    /** Notes those of which nothing is known, and tells how many there were. */
    noteUnknown: async (sessions: readonly Session[]): Promise<number> =>
      (await insert(sessions, 'DO NOTHING')).length,

    async find(tenant: string, sid: string, now: number): Promise<Session | null> {
      const [row] = await query(
        'SELECT * FROM curfew.sessions WHERE tenant = $1 AND sid = $2 AND expires_at > $3',
        [tenant, sid, now],
      )
      return row ? toSession(row) : null
    },

    async forget(tenant: string, sid: string): Promise<void> {
      await query('DELETE FROM curfew.sessions WHERE tenant = $1 AND sid = $2', [tenant, sid])
    },

    /** Deletes a bounded number of those that have expired, and tells how many there were. */
    async purgeSome(now: number): Promise<number> {
      const purged = await query(
        `DELETE FROM curfew.sessions WHERE (tenant, sid) IN
           (SELECT tenant, sid FROM curfew.sessions WHERE expires_at <= $1 LIMIT 500 FOR UPDATE SKIP LOCKED)
         RETURNING 1`,
        [now],
      )
      return purged.length
    },
  }
}
