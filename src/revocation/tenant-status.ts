import { latest } from '../base/times.ts'
import { hindranceOf, type Outlook } from './estimate.ts'
import { REASONS, type Reason } from './signal.ts'
import type { QueueCounts, TenantQueue } from './tenant-queue.ts'
import type { Hindrance } from './waiting-for.ts'

/** A tenant's backlog, and when it will be empty. Times in ms since the epoch. */
export interface TenantStatus {
  tenant: string
  backlog: Record<Reason, QueueCounts>
  /** Number of queued and running revocations. */
  unended: number
  /** What the limits allow; null if the tenant is not configured. */
  outlook: Pick<Outlook, 'permits' | 'permitsPerWindow' | 'nextPermitAt' | 'blockedUntil'> | null
  /** When, for reads and for revocations, at least one client is no longer blocked by Qlik; null if that is so now. */
  blockedUntil: number | null
  /** When the backlog is expected to be empty; null if it is empty or no revocation can proceed. */
  emptyAt: number | null
  /** When the oldest queued revocation was accepted; null if none is queued. */
  oldestQueuedAt: number | null
  /** Why no revocation can proceed, or null. */
  hindrance: Hindrance | null
}

export function tenantStatus(
  tenant: string,
  queue: TenantQueue,
  { outlook, failing }: { outlook: Outlook | null; failing: Hindrance | null },
): TenantStatus {
  const backlog = Object.fromEntries(REASONS.map((reason) => [reason, queue.countsOf(reason)])) as Record<
    Reason,
    QueueCounts
  >
  const unended = Object.values(backlog).reduce((sum, { queued, running }) => sum + queued + running, 0)
  const hindrance = unended > 0 || outlook === null ? hindranceOf(outlook, failing) : null
  const { reads = null, revocations = null } = outlook?.blockedUntil ?? {}
  const canProceed = unended > 0 && outlook !== null && hindrance === null
  return {
    tenant,
    backlog,
    unended,
    outlook,
    blockedUntil: latest(reads, revocations),
    emptyAt: canProceed
      ? Math.max(outlook.freeAt('revocations', queue.permits), outlook.freeAt('reads', queue.reads))
      : null,
    oldestQueuedAt: queue.oldestQueued === null ? null : timeOf(queue.oldestQueued),
    hindrance,
  }
}

/** The time in a UUID version 7: its first 48 bits, in ms since the epoch. */
function timeOf(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
}
