import type { DatabaseSync } from 'node:sqlite'
import { entriesPurged } from '../../revocation/audit/events.ts'
import { expiredPrefix, toHead } from '../audit-row.ts'
import type { SqliteAuditWriting } from './audit-writing.ts'

const PURGED_AT_ONCE = 500

/**
 * Returns a function that deletes up to 500 entries older than `before` in the caller's transaction, always the first
 * ones of a chain, and returns their number. The entry that records it lists the checkpoints of all shortened chains, not
 * only of those shortened now: the entries that listed them first are deleted one day, too.
 */
export function sqliteAuditPurge(database: DatabaseSync, writing: SqliteAuditWriting) {
  const oldChain = database.prepare(
    `SELECT writer FROM audit_chains WHERE
       (SELECT at FROM audit_entries AS e WHERE e.writer = audit_chains.writer ORDER BY sequence LIMIT 1) < ? LIMIT 1`,
  )
  const oldest = database.prepare(
    `SELECT sequence, at, hash FROM audit_entries WHERE writer = ? ORDER BY sequence LIMIT ${PURGED_AT_ONCE}`,
  )
  const remove = database.prepare('DELETE FROM audit_entries WHERE writer = ? AND sequence <= ?')
  const shorten = database.prepare('UPDATE audit_chains SET purged = ?, purged_hash = ? WHERE writer = ?')
  const shortened = database.prepare(
    'SELECT writer, purged AS sequence, purged_hash AS hash FROM audit_chains WHERE purged > 0 ORDER BY writer',
  )
  const forget = database.prepare('DELETE FROM audit_chains WHERE purged = sequence AND writer <> ?')

  return (before: number, now: number): number => {
    const writer = oldChain.get(before)?.writer
    if (typeof writer !== 'string') return 0
    const removed = expiredPrefix(oldest.all(writer), before)
    const last = removed.at(-1)
    if (!last) return 0
    shorten.run(Number(last.sequence), String(last.hash), writer)
    writing.note([entriesPurged(shortened.all().map(toHead))], now)
    remove.run(writer, Number(last.sequence))
    forget.run(writing.writer)
    return removed.length
  }
}
