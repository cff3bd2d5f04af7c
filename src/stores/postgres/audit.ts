import type { AuditLog } from '../../revocation/audit/audit-log.ts'
import { purgeAll } from '../pages.ts'
import { purgeSomeEntries } from './audit-purge.ts'
import { postgresAuditReading } from './audit-reading.ts'
import type { PostgresAuditWriting } from './audit-writing.ts'
import type { PostgresDatabase } from './database.ts'

/** See `AuditLog`. */
export function postgresAudit({ query }: PostgresDatabase, writing: PostgresAuditWriting): AuditLog {
  const reading = postgresAuditReading(query)
  return {
    record: (events, now) => writing.transaction(async (_, note) => note(events, now)),
    recordHeads: (now) => writing.recordHeads(now),
    purge: (before, now) =>
      purgeAll(() => writing.transaction((query, note) => purgeSomeEntries(query, note, before, now))),
    ...reading,
    erase: async () => {
      throw new Error('Not implemented.')
    },
  }
}
