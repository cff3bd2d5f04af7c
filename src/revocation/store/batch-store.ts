import type { Batch } from '../batch.ts'
import type { Failure, Status, TokenCounts } from '../revocation.ts'
import type { OutcomeView } from '../revocation-view.ts'
import type { Reason } from '../signal.ts'

/** Revocations of a batch that are equal in all of these. */
export interface BatchGroup {
  status: Status
  /** See `outcomeOf`. */
  outcome: OutcomeView | null
  isVerified: boolean
  /** Whether a confirming listing is due. */
  isConfirming: boolean
  /** Of a failed revocation. */
  code: Failure['code'] | null
  /** These two only of queued and running ones. A running one has a group of its own. */
  reason: Reason | null
  size: number | null
  count: number
  newestId: string
  /** The latest of them. */
  nextAttemptAt: number | null
  /** The sums. */
  tokens: TokenCounts
}

export interface BatchReading {
  /** When its first member was accepted, ms since the epoch. */
  createdAt: number
  groups: BatchGroup[]
  /** Ids of failed revocations, some for each code. */
  failed: { code: Failure['code']; id: string }[]
}

/**
 * The part of `RevocationStore` for batches. Members are the revocations that the signals of a batch created or joined. A
 * member that joins another revocation, or is superseded by it, is replaced by it. Members are deleted with their
 * revocations.
 */
export interface BatchStore {
  /** Reads all members, in several steps: changes during the call may be missing. @returns null without members */
  readBatch(batch: Batch): Promise<BatchReading | null>

  /** When a revocation became a member, ms since the epoch; null if it is none. */
  memberSince(batch: Batch, revocationId: string): Promise<number | null>
}
