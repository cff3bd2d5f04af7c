import { REASONS, type Reason } from '../revocation/signal.ts'
import type { QueueGroup } from '../revocation/store/sizes.ts'

/** A long queue is cut into about this number of groups. */
const GROUPS = 2_000

/** The largest number of revocations in a group. */
export function groupLimit(queued: number): number {
  return Math.max(1, Math.ceil(queued / GROUPS))
}

export function reasonOf(urgency: unknown): Reason {
  return REASONS[Number(urgency)] ?? 'session-expired'
}

/** A running revocation, whose tokens are known once its run has listed them. */
export function runningGroup(row: Record<string, unknown>): QueueGroup {
  const { tenant, urgency, id, size, remaining, done } = row
  const isListed = Number(remaining) + Number(done) > 0
  const counted = isListed ? remaining : size
  return {
    tenant: String(tenant),
    reason: reasonOf(urgency),
    isRunning: true,
    size: counted === null ? null : Number(counted),
    id: String(id),
    count: 1,
  }
}

/** The columns that `runningGroup` reads. */
export const RUNNING_COLUMNS = 'tenant, urgency, id, size, remaining, revoked + already_gone + kept AS done'
