import type { Clock } from '../../base/clock.ts'
import type { AuditReading } from './audit-log.ts'
import { type By, type Entry, entryOf } from './entry.ts'

const HOUR_MS = 60 * 60_000
const HOURS = 24
const ENTRIES_A_PAGE = 1_000
/** Bounds what a sender that is always rejected costs. */
const MAX_ENTRIES = 10_000

/** The rejected requests of a sender. */
export interface SenderRejections {
  /** The number in each hour, oldest first; the last hour ends now. */
  perHour: number[]
  last: { at: number; code: string } | null
}

export interface RejectionHistory {
  /** What is counted begins here, ms since the epoch: 24 hours ago, or later if there were more than 10,000. */
  since: number
  of(sender: Pick<By, 'kind' | 'id'>): SenderRejections
}

const keyOf = ({ kind, id }: Pick<By, 'kind' | 'id'>) => `${kind} ${id}`
const none = (): SenderRejections => ({ perHour: Array.from({ length: HOURS }, () => 0), last: null })

/**
 * The rejections of authenticated senders over the last 24 hours, from the audit trail: those of all replicas, also before a
 * restart.
 */
export async function readRejections(
  audit: Pick<AuditReading, 'list'>,
  clock: Pick<Clock, 'now'>,
): Promise<RejectionHistory> {
  const now = clock.now()
  const start = now - HOURS * HOUR_MS
  const bySender = new Map<string, SenderRejections>()
  let since = start
  let cursor: string | undefined
  for (let read = 0; ; ) {
    const { items, nextCursor } = await audit.list({
      event: 'request-rejected',
      from: start,
      limit: ENTRIES_A_PAGE,
      cursor,
    })
    for (const { text } of items) {
      const entry = entryOf(text)
      if (!entry?.by) continue
      const known = bySender.get(keyOf(entry.by)) ?? none()
      bySender.set(keyOf(entry.by), known)
      note(known, entry, start)
      since = entry.at
    }
    read += items.length
    if (nextCursor === null) since = start
    if (nextCursor === null || read >= MAX_ENTRIES) break
    cursor = nextCursor
  }
  return { since, of: (sender) => bySender.get(keyOf(sender)) ?? none() }
}

/** Entries come newest first. */
function note(known: SenderRejections, { at, details }: Entry, start: number): void {
  const hour = Math.min(Math.floor((at - start) / HOUR_MS), HOURS - 1)
  known.perHour[hour] = (known.perHour[hour] ?? 0) + 1
  known.last ??= { at, code: String(details.code) }
}
