import type { Revocation } from '../revocation.ts'
import type { Reason } from '../signal.ts'

/** A queued revocation whose number of tokens is unknown. */
export type Unsized = Pick<Revocation, 'id' | 'user' | 'resolved' | 'dueAt'>

export interface UnsizedQuery {
  tenant: string
  reason: Reason
  /** Continues after this one; null for the beginning. */
  after: Pick<Revocation, 'id' | 'dueAt'> | null
  limit: number
}

export interface Sized {
  id: string
  size: number
}

/** Queued or running revocations of one tenant, reason and size that follow each other in age. */
export interface QueueGroup {
  tenant: string
  reason: Reason
  isRunning: boolean
  /** Number of tokens that remain of each user, as far as known; null if they were never counted. */
  size: number | null
  /** The smallest id, which belongs to the oldest. */
  id: string
  count: number
}

/** The part of `RevocationStore` for the order of the queue, which depends on the number of tokens of each user. */
export interface SizeStore {
  /** Queued revocations without a size, oldest first. */
  unsized(query: UnsizedQuery): Promise<Unsized[]>

  /**
   * Stores sizes of revocations that are queued. Sizes are hints: a power cut may lose them.
   * @returns the number of revocations that changed
   */
  noteSizes(sizes: readonly Sized[]): Promise<number>

  /**
   * Reserves a tenant for a survey by this process for `ms`, or extends the reservation.
   * @returns false if another process has reserved it
   */
  reserveSurvey(tenant: string, ms: number): Promise<boolean>

  /**
   * All queued and running revocations, in groups. Short queues have groups of one; of a long queue, a group contains up to
   * 1/2,000. For estimates: changes during the call may be missing.
   */
  queue(): Promise<QueueGroup[]>
}
