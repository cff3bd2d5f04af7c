import { remainingTokens } from '../revocation/revocation.ts'
import { REASONS, type Reason } from '../revocation/signal.ts'
import type { QueueGroup } from '../revocation/store/size-store.ts'
import type { BacklogCount } from '../revocation/store.ts'

/** A long queue is cut into about this number of groups. */
const GROUPS = 2_000

/** @returns the largest number of revocations in a group */
export function groupLimit(queued: readonly BacklogCount[]): number {
  const total = queued.reduce((sum, { count }) => sum + count, 0)
  return Math.max(1, Math.ceil(total / GROUPS))
}

export function reasonOf(urgency: unknown): Reason {
  return REASONS[Number(urgency)] ?? 'session-expired'
}

export function runningGroup(row: Record<string, unknown>): QueueGroup {
  const { tenant, urgency, id, size, revoked, already_gone, kept, remaining } = row
  const tokens = {
    revoked: Number(revoked),
    alreadyGone: Number(already_gone),
    kept: Number(kept),
    remaining: Number(remaining),
  }
  return {
    tenant: String(tenant),
    reason: reasonOf(urgency),
    isRunning: true,
    size: remainingTokens({ status: 'running', tokens, size: size === null ? null : Number(size) }),
    id: String(id),
    count: 1,
  }
}

/** The columns that `runningGroup` reads. */
export const RUNNING_COLUMNS = 'tenant, urgency, id, size, revoked, already_gone, kept, remaining'
