import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type { AuditReading } from '../../revocation/audit/audit-log.ts'
import type { AuditDialect, Rows } from '../audit-dialect.ts'
import { listAudit } from '../audit-list.ts'
import { toStoredEntry } from '../audit-row.ts'
import { spansStatement, toSpan } from '../audit-spans.ts'
import type { VerifiedDialect } from '../verified.ts'
import { prepareOn } from './prepared.ts'

export const SQLITE_AUDIT: AuditDialect = {
  table: (name) => name,
  parameter: (n) => `?${n}`,
  // One parameter for all values: the statement stays the same.
  isIn: (column, parameter) => `${column} IN (SELECT value FROM json_each(${parameter}))`,
  list: (values) => JSON.stringify(values),
  lower: (expression) => `lower(${expression})`,
  containsAny: (text, parameter) =>
    `EXISTS (SELECT 1 FROM json_each(${parameter}) AS wanted WHERE instr(${text}, wanted.value) > 0)`,
  timeInIndex: 'at',
  records: (parameter, columns) => {
    const names = Object.keys(columns).map((name) => `value ->> '$.${name}' AS ${name}`)
    return `(SELECT ${names.join(', ')} FROM json_each(${parameter}))`
  },
  userPart: '(sequence >> 10)',
}

export const SQLITE_VERIFIED: VerifiedDialect = {
  ...SQLITE_AUDIT,
  revocations: 'revocations INDEXED BY revocations_verified',
  verifiedAt: `(proof ->> '$.at')`,
  beganAt: `ifnull(hold ->> '$.decision.at', accepted_at)`,
  integer: (expression) => `CAST(${expression} AS INTEGER)`,
  larger: (one, other) => `max(${one}, ${other})`,
}

type Read = <T>(work: () => T) => Promise<T>

/** Runs statements that read, outside of the writers' transactions. */
export function sqliteRows(database: DatabaseSync, read: Read): Rows {
  const { prepare } = prepareOn(database)
  return async (text, values) => {
    // A scan with many statements must not block the event loop.
    await setImmediate()
    return read(() => prepare(text).all(...(values as SQLInputValue[])))
  }
}

/** Reads the audit trail. */
export function sqliteAuditReading(rows: Rows): AuditReading {
  return {
    list: (query) => listAudit(query, rows, SQLITE_AUDIT),
    spans: async () => (await rows(spansStatement(SQLITE_AUDIT), [])).map(toSpan),
    async page(after, limit) {
      const found = await rows(
        `SELECT writer, sequence, entry, private, hash FROM audit_entries
         WHERE (writer, sequence) > (?, ?) ORDER BY writer, sequence LIMIT ?`,
        [after?.writer ?? '', after?.sequence ?? 0, limit],
      )
      return found.map(toStoredEntry)
    },
  }
}
