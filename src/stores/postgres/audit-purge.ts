import type { NoteEvents } from '../../revocation/audit/entry.ts'
import { entriesPurged } from '../../revocation/audit/events.ts'
import { expiredPrefix, toHead } from '../audit-row.ts'
import type { Query } from './database.ts'

const PURGED_AT_ONCE = 500
/** An arbitrary lock number. One process deletes at a time; the others skip it. */
const PURGE_LOCK = 4_283_307_233

/**
 * Deletes up to 500 entries older than `before`, always the first ones of a chain, and returns their number. The entry that
 * records it lists the checkpoints of all shortened chains, not only of those shortened now: the entries that listed them
 * first are deleted one day, too.
 */
export async function purgeSomeEntries(
  query: Query,
  note: NoteEvents,
  before: number,
  now: number,
): Promise<number> {
  const [lock] = await query('SELECT pg_try_advisory_xact_lock($1) AS mine', [PURGE_LOCK])
  if (lock?.mine !== true) return 0
  const [old] = await query(
    `SELECT writer FROM curfew.audit_chains AS c WHERE
       (SELECT at FROM curfew.audit_entries AS e WHERE e.writer = c.writer ORDER BY sequence LIMIT 1) < $1 LIMIT 1`,
    [before],
  )
  if (!old) return 0
  const oldest = await query(
    `SELECT writer, sequence, at, hash FROM curfew.audit_entries WHERE writer = $1 ORDER BY sequence LIMIT $2`,
    [old.writer, PURGED_AT_ONCE],
  )
  const removed = expiredPrefix(oldest, before)
  const last = removed.map(toHead).at(-1)
  if (!last) return 0
  await query('UPDATE curfew.audit_chains SET purged = $2, purged_hash = $3 WHERE writer = $1', [
    last.writer,
    last.sequence,
    last.hash,
  ])
  const shortened = await query(
    `SELECT writer, purged AS sequence, purged_hash AS hash FROM curfew.audit_chains WHERE purged > 0 ORDER BY writer`,
  )
  note([entriesPurged(shortened.map(toHead))], now)
  await query('DELETE FROM curfew.audit_entries WHERE writer = $1 AND sequence <= $2', [
    last.writer,
    last.sequence,
  ])
  await query('DELETE FROM curfew.audit_chains WHERE writer = $1 AND purged = sequence', [last.writer])
  return removed.length
}
