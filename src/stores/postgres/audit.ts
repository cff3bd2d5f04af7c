import type { AuditLog } from '../../revocation/audit/audit-log.ts'
import { type ErasureStore, erase } from '../erasure.ts'
import { noCounts } from '../erasure-targets.ts'
import { purgeAll } from '../purge-all.ts'
import { purgeSomeEntries } from './audit-purge.ts'
import { POSTGRES_AUDIT, postgresAuditReading } from './audit-reading.ts'
import type { PostgresAuditWriting } from './audit-writing.ts'
import type { PostgresDatabase } from './database.ts'

/** See `AuditLog`. */
export function postgresAudit({ query }: PostgresDatabase, writing: PostgresAuditWriting): AuditLog {
  return {
    record: (events, now) => writing.transaction(async (_, note) => note(events, now)),
    recordHeads: (now) => writing.recordHeads(now),
    purge: (before, now) =>
      purgeAll(() => writing.transaction((query, note) => purgeSomeEntries(query, note, before, now))),
    ...postgresAuditReading(query),
    erase: (request, now, origin) => {
      const apply: ErasureStore['apply'] = (statements, event) =>
        writing.transaction(async (query, note) => {
          const counts = noCounts()
          for (const { of, text, values } of statements) counts[of] += (await query(text, values)).length
          note([event(counts)], now)
          return counts
        })
      return erase(request, origin, { rows: query, dialect: POSTGRES_AUDIT, apply })
    },
  }
}
