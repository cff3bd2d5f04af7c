import { sessionEvent } from '../../revocation/audit/events.ts'
import type { Origin } from '../../revocation/origin.ts'
import type { Session, SessionSource } from '../../revocation/session.ts'
import { type SessionRow, toSession, toSessionRow, type UnsourcedSessionRow } from '../session-row.ts'
import type { PostgresAuditWriting } from './audit-writing.ts'
import { Batches } from './batches.ts'
import type { Query } from './database.ts'

const SESSIONS_AT_ONCE = 500

/** Records a session, or deletes it if `session` is null. */
export interface SessionChange {
  of: SessionSource
  sid: string
  session: Session | null
  origin: Origin | undefined
}

const KEYS = { source_sessions: 'tenant, source, sid', sessions: 'tenant, sid' } as const
type Table = keyof typeof KEYS

/** The SQL statements for sessions, run by `query`. */
export function postgresSessions(query: Query) {
  /** Inserts in key order, to prevent deadlocks between processes. */
  const insert = (table: Table, rows: readonly (SessionRow | UnsourcedSessionRow)[], onConflict: string) =>
    query(
      `INSERT INTO curfew.${table} (${KEYS[table]}, user_kind, user_value, expires_at)
       SELECT ${KEYS[table]}, user_kind, user_value, expires_at
       FROM json_populate_recordset(NULL::curfew.${table}, $1) ORDER BY ${KEYS[table]}
       ON CONFLICT (${KEYS[table]}) ${onConflict} RETURNING 1`,
      [JSON.stringify(rows)],
    )

  const remove = (table: Table, keys: readonly { tenant: string; source: string; sid: string }[]) =>
    query(
      `DELETE FROM curfew.${table} WHERE (${KEYS[table]}) IN
         (SELECT ${KEYS[table]} FROM json_to_recordset($1) AS v (tenant text, source text, sid text))`,
      [JSON.stringify(keys)],
    )

  return {
    /** Applies changes in the caller's transaction. If several concern the same session, the last one counts. */
    async change(changes: readonly SessionChange[]): Promise<void> {
      const last = new Map(changes.map((change) => [keyOf(change), change]))
      const noted = [...last.values()].flatMap(({ of, session }) =>
        session ? [toSessionRow(of, session)] : [],
      )
      const forgotten = [...last.values()].flatMap(({ of, sid, session }) =>
        session ? [] : [{ ...of, sid }],
      )
      const unsourced = changes.flatMap(({ of, sid }) => (of.isOnly ? [{ ...of, sid }] : []))
      const newer = ['user_kind', 'user_value', 'expires_at'].map((name) => `${name} = excluded.${name}`)
      if (noted.length > 0) await insert('source_sessions', noted, `DO UPDATE SET ${newer.join(', ')}`)
      if (forgotten.length > 0) await remove('source_sessions', forgotten)
      if (unsourced.length > 0) await remove('sessions', unsourced)
    },

    /** Inserts the sessions that are not in the table, and returns their number. */
    noteUnknown: async (table: Table, rows: readonly (SessionRow | UnsourcedSessionRow)[]): Promise<number> =>
      (await insert(table, rows, 'DO NOTHING')).length,

    async find({ tenant, source, isOnly }: SessionSource, sid: string, now: number): Promise<Session | null> {
      const [row] = await query(
        `SELECT sid, user_kind, user_value, expires_at, 1 AS place FROM curfew.source_sessions
         WHERE tenant = $1 AND source = $2 AND sid = $3 AND expires_at > $4
         UNION ALL
         SELECT sid, user_kind, user_value, expires_at, 2 FROM curfew.sessions
         WHERE $5 AND tenant = $1 AND sid = $3 AND expires_at > $4
         ORDER BY place LIMIT 1`,
        [tenant, source, sid, now, isOnly],
      )
      return row ? toSession(row) : null
    },

    /** Deletes up to 500 expired sessions per table and returns the number of deleted rows. */
    async purgeSome(now: number): Promise<number> {
      let purged = 0
      for (const [table, key] of Object.entries(KEYS)) {
        const some = await query(
          `DELETE FROM curfew.${table} WHERE (${key}) IN
             (SELECT ${key} FROM curfew.${table} WHERE expires_at <= $1 LIMIT 500 FOR UPDATE SKIP LOCKED)
           RETURNING 1`,
          [now],
        )
        purged += some.length
      }
      return purged
    },
  }
}

function keyOf({ of: { tenant, source }, sid }: SessionChange): string {
  return JSON.stringify([tenant, source, sid])
}

/** In batches: 1,101 changes at once, each in its own transaction, waited too long for one of five connections. */
export function sessionBatches(audit: PostgresAuditWriting, now: () => number) {
  return new Batches({
    run: async (changes: readonly SessionChange[]) => {
      await audit.transaction((query, note) => {
        const events = changes.map(({ of, sid, session, origin }) => sessionEvent(of, sid, session, origin))
        note(events, now())
        return postgresSessions(query).change(changes)
      })
      return changes.map(() => null)
    },
    // One batch after the other: in parallel, the later of two changes of a session could be lost.
    concurrency: 1,
    largest: SESSIONS_AT_ONCE,
  })
}
