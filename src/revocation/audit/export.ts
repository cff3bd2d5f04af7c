import { CurfewError } from '../../base/errors.ts'
import type { AuditReading } from './audit-log.ts'
import type { Position, StoredEntry } from './entry.ts'
import { exportedLine } from './exported-line.ts'

const ENTRIES_AT_ONCE = 500

type Chains = Pick<AuditReading, 'spans' | 'page'>

/**
 * The lines of the export, some at a time: all entries that exist at the beginning, chain by chain. Later ones are left out,
 * because they may list later heads of chains that are already exported.
 * @throws CURFEW_STORE_UNAVAILABLE if retention deletes entries before they are exported
 */
export async function* exportAudit(audit: Chains): AsyncGenerator<string> {
  const spans = await audit.spans()
  const lasts = new Map(spans.map(({ writer, last }) => [writer, last]))
  /** The next entry of each chain. */
  const next = new Map(spans.map(({ writer, first }) => [writer, first]))
  const take = ({ writer, sequence }: StoredEntry): boolean => {
    const follows = sequence === next.get(writer)
    next.set(writer, sequence + 1)
    return follows
  }
  let after: Position | null = null
  for (;;) {
    const entries: StoredEntry[] = await audit.page(after, ENTRIES_AT_ONCE)
    const wanted = entries.filter(({ writer, sequence }) => sequence <= (lasts.get(writer) ?? 0))
    const gaps = wanted.filter((entry) => !take(entry))
    if (gaps.length > 0) await requireOldGaps(audit, gaps)
    if (wanted.length > 0) yield wanted.map(exportedLine).join('')
    const last = entries.at(-1)
    if (!last) break
    after = { writer: last.writer, sequence: last.sequence }
  }
  for (const [writer, last] of lasts) if (next.get(writer) !== last + 1) throw deletedDuringExport()
}

/** Gaps inside a chain are exported, for the verifier to report. Retention shortens chains only at their beginning. */
async function requireOldGaps(audit: Chains, gaps: readonly StoredEntry[]): Promise<void> {
  const firsts = new Map((await audit.spans()).map(({ writer, first }) => [writer, first]))
  const isBeginning = ({ writer, sequence }: StoredEntry) => (firsts.get(writer) ?? sequence) >= sequence
  if (gaps.some(isBeginning)) throw deletedDuringExport()
}

function deletedDuringExport(): CurfewError {
  const detail = 'Retention deleted entries during the export. Export again.'
  return new CurfewError('CURFEW_STORE_UNAVAILABLE', detail, { retryAfterSeconds: 1 })
}
