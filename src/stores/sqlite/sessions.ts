import type { DatabaseSync } from 'node:sqlite'
import type { NoteEvents } from '../../revocation/audit/entry.ts'
import { sessionEvent } from '../../revocation/audit/events.ts'
import type { Origin } from '../../revocation/origin.ts'
import type { Session, SessionSource } from '../../revocation/session.ts'
import { toSession, toSessionRow } from '../session-row.ts'

/** Records sessions, and the changes in the audit trail. The statements run in the caller's transaction. */
export function sqliteSessions(database: DatabaseSync, audit: NoteEvents) {
  const note = database.prepare(
    `INSERT OR REPLACE INTO source_sessions (tenant, source, sid, user_kind, user_value, expires_at)
     VALUES (:tenant, :source, :sid, :user_kind, :user_value, :expires_at)`,
  )
  const found = 'SELECT sid, user_kind, user_value, expires_at FROM'
  const find = database.prepare(
    `${found} source_sessions WHERE tenant = ? AND source = ? AND sid = ? AND expires_at > ?`,
  )
  const findUnsourced = database.prepare(`${found} sessions WHERE tenant = ? AND sid = ? AND expires_at > ?`)
  const forget = database.prepare('DELETE FROM source_sessions WHERE tenant = ? AND source = ? AND sid = ?')
  const forgetUnsourced = database.prepare('DELETE FROM sessions WHERE tenant = ? AND sid = ?')
  const purges = [
    `DELETE FROM source_sessions WHERE (tenant, source, sid) IN
       (SELECT tenant, source, sid FROM source_sessions WHERE expires_at <= ? LIMIT 500)`,
    `DELETE FROM sessions WHERE (tenant, sid) IN
       (SELECT tenant, sid FROM sessions WHERE expires_at <= ? LIMIT 500)`,
  ].map((statement) => database.prepare(statement))

  return {
    note(of: SessionSource, session: Session, now: number, origin?: Origin): void {
      note.run({ ...toSessionRow(of, session) })
      if (of.isOnly) forgetUnsourced.run(of.tenant, session.sid)
      audit([sessionEvent(of, session.sid, session, origin)], now)
    },

    find({ tenant, source, isOnly }: SessionSource, sid: string, now: number): Session | null {
      const row = find.get(tenant, source, sid, now) ?? (isOnly && findUnsourced.get(tenant, sid, now))
      return row ? toSession(row) : null
    },

    forget(of: SessionSource, sid: string, now: number, origin?: Origin): void {
      forget.run(of.tenant, of.source, sid)
      if (of.isOnly) forgetUnsourced.run(of.tenant, sid)
      audit([sessionEvent(of, sid, null, origin)], now)
    },

    /** Deletes up to 500 expired sessions per table and returns the number of deleted rows. */
    purgeSome: (now: number): number =>
      purges.reduce((purged, purge) => purged + Number(purge.run(now).changes), 0),
  }
}
