import type { DatabaseSync } from 'node:sqlite'
import type { AuditLog } from '../../revocation/audit/audit-log.ts'
import { purgeAll } from '../pages.ts'
import { sqliteAuditPurge } from './audit-purge.ts'
import { sqliteAuditReading } from './audit-reading.ts'
import type { SqliteAuditWriting } from './audit-writing.ts'

export interface SqliteAuditOptions {
  writing: SqliteAuditWriting
  /** Runs work in the next transaction. */
  write: <T>(work: () => T) => Promise<T>
  read: <T>(work: () => T) => Promise<T>
}

/** See `AuditLog`. */
export function sqliteAudit(database: DatabaseSync, { writing, write, read }: SqliteAuditOptions): AuditLog {
  const reading = sqliteAuditReading(database, read)
  const purgeSome = sqliteAuditPurge(database, writing)
  return {
    record: (events, now) => write(() => writing.note(events, now)),
    recordHeads: (now) => write(() => writing.noteHeads(now)),
    purge: (before, now) => purgeAll(() => write(() => purgeSome(before, now))),
    ...reading,
    erase: async () => {
      throw new Error('Not implemented.')
    },
  }
}
