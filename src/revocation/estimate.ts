import { hasEnded, type Revocation, remainingTokens } from './revocation.ts'
import type { TenantQueue } from './tenant-queue.ts'
import type { Hindrance, LimitedCalls } from './waiting-for.ts'

/** What the estimate for a revocation depends on. */
export type Estimated = Pick<
  Revocation,
  'id' | 'tenant' | 'status' | 'reason' | 'nextAttemptAt' | 'tokens' | 'size'
>

/** When a revocation is expected to be complete, in ms since the epoch; null if it has ended, is held or cannot proceed. */
export type Estimate = (revocation: Estimated) => number | null

/** What the rate limits of a tenant's clients allow. Times in ms since the epoch. */
export interface Outlook {
  /** Earliest time at which `calls` more calls could all have started. */
  freeAt(kind: LimitedCalls, calls: number): number
  /** Revoking calls that could start now, and in a window. */
  permits: number
  permitsPerWindow: number
  /** When the next revoking call could start; null if one can now. */
  nextPermitAt: number | null
  /** When the waits that Qlik requested end; null if there is none. */
  blockedUntil: Record<LimitedCalls, number | null>
  /** Whether Qlik refuses all clients, or all lack their role or scope. */
  isRefused: boolean
}

/** A survey leaves half of the reads to the runs. */
const READS_OF_OTHERS = 2

export interface Prospect {
  revocation: Estimated
  /** Number of tokens that remain, from its run, which is newer than the revocation's; null if there is none. */
  remaining: number | null
  /** The tenant's queue. */
  queue: TenantQueue
  outlook: Pick<Outlook, 'freeAt'>
}

/**
 * When a revocation is expected to be complete: when the budget allows as many calls as its place in the order requires,
 * but not before its next attempt. Pure.
 */
export function completionAt({ revocation, remaining, queue, outlook }: Prospect): number | null {
  if (hasEnded(revocation) || revocation.status === 'held') return null
  const { id, reason, nextAttemptAt } = revocation
  const size = remaining ?? remainingTokens(revocation)
  const isListed = remaining !== null || revocation.tokens.remaining > 0
  return Math.max(
    outlook.freeAt('revocations', queue.permitsUntil({ id, reason, size })),
    outlook.freeAt('reads', isListed ? 0 : READS_OF_OTHERS * queue.readsUntil({ id, reason, size })),
    nextAttemptAt ?? 0,
  )
}

/** Why no revocation of a tenant can proceed, or null. */
export function hindranceOf(outlook: Outlook | null, failing: Hindrance | null): Hindrance | null {
  if (outlook === null) return 'unknown-tenant'
  return outlook.isRefused ? 'client-refused' : failing
}
