import type { Erased } from '../revocation/audit/audit-log.ts'
import type { AuditDialect } from './audit-dialect.ts'
import { type FoundSession, SETTLED } from './erasure-search.ts'

export type Counts = Omit<Erased, 'pending'>

export function noCounts(): Counts {
  return { entries: 0, revocations: 0, sessions: 0, replays: 0, notifications: 0 }
}

/** What one transaction erases. */
export interface Targets {
  entries: { writer: string; sequence: number }[]
  revocations: { id: string }[]
  sessions: FoundSession[]
  /** Recorded without a source, by earlier versions. */
  unsourced: FoundSession[]
  /** Stored answers, before and after. */
  replays: { key: string; before: string; after: string }[]
  notifications: { id: string }[]
}

export function emptyTargets(): Targets {
  return { entries: [], revocations: [], sessions: [], unsourced: [], replays: [], notifications: [] }
}

/** A statement that returns one row for each row that it erases. */
export interface Statement {
  of: keyof Counts
  text: string
  values: string[]
}

/** Rows that were changed or replaced in the meantime are left alone. */
export function statementsFor(targets: Targets, { table, parameter, records }: AuditDialect): Statement[] {
  const given = (columns: Record<string, string>) => records(parameter(1), columns)
  const session = (names: readonly string[]) =>
    Object.fromEntries([...names, 'user_kind', 'user_value'].map((name) => [name, 'text']))
  const forget = (name: string, keys: readonly string[]) => {
    const columns = [...keys, 'user_kind', 'user_value'].join(', ')
    return `DELETE FROM ${table(name)} WHERE (${columns}) IN (SELECT ${columns} FROM ${given(session(keys))}) RETURNING 1`
  }
  const toRow = ({ user, ...rest }: FoundSession) => ({
    ...rest,
    user_kind: user.kind,
    user_value: user.value,
  })
  const all: [keyof Counts, readonly unknown[], string][] = [
    [
      'entries',
      targets.entries,
      `UPDATE ${table('audit_entries')} SET private = NULL, user_kind = NULL, user_value = NULL
       WHERE (writer, sequence) IN (SELECT writer, sequence FROM ${given({ writer: 'uuid', sequence: 'bigint' })})
         AND private IS NOT NULL RETURNING 1`,
    ],
    [
      'revocations',
      targets.revocations,
      `DELETE FROM ${table('revocations')} WHERE id IN (SELECT id FROM ${given({ id: 'uuid' })}) AND ${SETTLED} RETURNING 1`,
    ],
    ['sessions', targets.sessions.map(toRow), forget('source_sessions', ['tenant', 'source', 'sid'])],
    ['sessions', targets.unsourced.map(toRow), forget('sessions', ['tenant', 'sid'])],
    [
      'replays',
      targets.replays,
      `UPDATE ${table('replays')} AS known SET answer = given.after
       FROM (SELECT * FROM ${given({ key: 'text', before: 'text', after: 'text' })}) AS given
       WHERE known.key = given.key AND known.answer = given.before RETURNING 1`,
    ],
    [
      'notifications',
      targets.notifications,
      `DELETE FROM ${table('notifications')} WHERE id IN (SELECT id FROM ${given({ id: 'uuid' })}) RETURNING 1`,
    ],
  ]
  return all.flatMap(([of, rows, text]) =>
    rows.length > 0 ? [{ of, text, values: [JSON.stringify(rows)] }] : [],
  )
}
