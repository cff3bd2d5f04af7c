import type { DatabaseSync } from 'node:sqlite'
import type { AuditLog } from '../../revocation/audit/audit-log.ts'
import { type ErasureStore, erase } from '../erasure.ts'
import { noCounts } from '../erasure-targets.ts'
import { purgeAll } from '../purge-all.ts'
import { sqliteAuditPurge } from './audit-purge.ts'
import { SQLITE_AUDIT, sqliteAuditReading, sqliteRows } from './audit-reading.ts'
import type { SqliteAuditWriting } from './audit-writing.ts'

export interface SqliteAuditOptions {
  writing: SqliteAuditWriting
  /** Runs work in the next transaction. */
  write: <T>(work: () => T) => Promise<T>
  read: <T>(work: () => T) => Promise<T>
}

/** See `AuditLog`. */
export function sqliteAudit(database: DatabaseSync, { writing, write, read }: SqliteAuditOptions): AuditLog {
  const rows = sqliteRows(database, read)
  const purgeSome = sqliteAuditPurge(database, writing)
  return {
    record: (events, now) => write(() => writing.note(events, now)),
    recordHeads: (now) => write(() => writing.noteHeads(now)),
    purge: (before, now) => purgeAll(() => write(() => purgeSome(before, now))),
    ...sqliteAuditReading(rows),
    erase: (request, now, origin) => {
      const apply: ErasureStore['apply'] = (statements, event) =>
        write(() => {
          const counts = noCounts()
          for (const { of, text, values } of statements)
            counts[of] += database.prepare(text).all(...values).length
          writing.note([event(counts)], now)
          return counts
        })
      return erase(request, origin, { rows, dialect: SQLITE_AUDIT, apply })
    },
  }
}
