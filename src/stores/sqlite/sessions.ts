import type { DatabaseSync } from 'node:sqlite'
import type { Session } from '../../revocation/session.ts'
import { toSession, toSessionRow } from '../session-row.ts'

/** The SQL statements of the sessions, as functions. They read and write within the caller's transaction. */
export function sqliteSessions(database: DatabaseSync) {
  const note = database.prepare(
    `INSERT OR REPLACE INTO sessions (tenant, sid, user_kind, user_value, expires_at)
     VALUES (:tenant, :sid, :user_kind, :user_value, :expires_at)`,
  )
  const find = database.prepare('SELECT * FROM sessions WHERE tenant = ? AND sid = ? AND expires_at > ?')
  const forget = database.prepare('DELETE FROM sessions WHERE tenant = ? AND sid = ?')
  const purge = database.prepare(
    `DELETE FROM sessions WHERE (tenant, sid) IN
       (SELECT tenant, sid FROM sessions WHERE expires_at <= ? LIMIT 500)`,
  )
  return {
    note(session: Session): void {
      note.run({ ...toSessionRow(session) })
    },

    find(tenant: string, sid: string, now: number): Session | null {
      const row = find.get(tenant, sid, now)
      return row ? toSession(row) : null
    },

    forget(tenant: string, sid: string): void {
      forget.run(tenant, sid)
    },

    /** Deletes a bounded number of those that have expired, and tells how many there were. */
    purgeSome: (now: number): number => Number(purge.run(now).changes),
  }
}
