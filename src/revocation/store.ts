import type { Failure, Outcome, Revocation, Status, TokenCounts } from './revocation.ts'
import type { Reason, Signal } from './signal.ts'

/**
 * Recognizes a request that is sent again. The first answer under `key` is given again, with nothing done
 * twice, for `REPLAY_WINDOW_MS`.
 */
export interface ReplayKey {
  /** Tells senders and routes apart: a webhook-id, or an Idempotency-Key with the API key it came with. */
  key: string
  /** A digest of the request, or null where the key alone decides (a webhook-id). */
  fingerprint: string | null
}

export const REPLAY_WINDOW_MS = 10 * 60_000

export interface Accepted {
  /** The revocations as they stood when the request was first accepted, one for each signal, in order. */
  revocations: Revocation[]
  /** Whether this is the answer to an earlier request under the same key. */
  replayed: boolean
}

export interface ClaimRequest {
  now: number
  /** How many revocations may be claimed for each reason. */
  slots: Record<Reason, number>
}

export interface Completion {
  outcome: Outcome
  verified: boolean
  tokens: TokenCounts
  completedAt: number
}

/** What a revocation that goes back into the queue takes along. */
export interface Waiting {
  tokens: TokenCounts
  attempts: number
  fruitless: number
  failingSince: number | null
  error: Failure | null
  nextAttemptAt: number | null
}

export interface RevocationQuery {
  status?: Status | undefined
  tenant?: string | undefined
  /** Only those of these tenants; of none when it is empty. */
  tenants?: readonly string[] | undefined
  userId?: string | undefined
  limit: number
  cursor?: string | undefined
}

export interface BacklogCount {
  tenant: string
  status: Status
  count: number
}

/**
 * Where revocations are kept. Every method that changes something resolves only when the change is durable
 * (it survives a power cut; `claim` and `progress` survive the process only, which is all they are for), and is atomic: all of it or nothing. When the store cannot write or read, every
 * method rejects with `CURFEW_STORE_UNAVAILABLE` and nothing has changed.
 *
 * Per tenant, user and device type there is at most one queued and one running revocation.
 */
export interface RevocationStore {
  /**
   * Makes signals durable, all or none. A signal joins the user's queued revocation if there is one (see
   * `join`), else it makes a new one, also while one is running.
   * @throws CURFEW_IDEMPOTENCY_MISMATCH when the key is known with another fingerprint
   */
  accept(signals: Signal[], replay: ReplayKey | null, now: number): Promise<Accepted>

  /**
   * Takes queued revocations that are due, the most urgent and then the oldest first, and marks them running,
   * with `attempts` one higher. A user with a running revocation is passed over.
   */
  claim(request: ClaimRequest): Promise<Revocation[]>

  /** When the next queued revocation becomes due, later than `now`; null when none waits. */
  nextDueAt(now: number): Promise<number | null>

  /** Ends a running revocation as completed. Without effect on one that is not running. */
  complete(id: string, completion: Completion): Promise<void>

  /** Ends a running revocation as failed. Without effect on one that is not running. */
  fail(id: string, failure: Failure, tokens: TokenCounts, completedAt: number): Promise<void>

  /**
   * Puts a running revocation back into the queue. If a newer one is queued for the same user, that one joins
   * it, and the newer id leads here from then on. Without effect on one that is not running.
   */
  putBack(id: string, waiting: Waiting): Promise<void>

  /** Notes how far a running revocation is. Without effect on one that is not running. */
  progress(id: string, tokens: TokenCounts): Promise<void>

  /**
   * Queues a failed or unverified revocation again, and lets a waiting one start at once. If another one is
   * queued for the same user, that one is widened by this one and answered instead. A running one is answered
   * as it is.
   * @returns null when there is no such revocation
   * @throws CURFEW_NOT_RETRYABLE when it is completed and verified
   */
  retry(id: string): Promise<Revocation | null>

  /** One revocation, also by the id of one that joined it; null when there is none. */
  get(id: string): Promise<Revocation | null>

  /** Revocations, the newest first. `nextCursor` is null on the last page. An unknown cursor is not an error. */
  list(query: RevocationQuery): Promise<{ items: Revocation[]; nextCursor: string | null }>

  /** Running revocations for whose user a more urgent one is queued, by id. */
  overtaken(): Promise<string[]>

  /**
   * Puts back whatever was running when the process ended, and lets nothing wait longer than a backoff can last:
   * the clock may have been set back. Called once, before the first claim. Answers how many were running.
   */
  recover(now: number): Promise<number>

  /**
   * Deletes revocations that ended before `endedBefore`, and replay keys older than their window; tells how many
   * there were of both.
   */
  purge(endedBefore: number, now: number): Promise<number>

  /** How many revocations there are by tenant and status, those that have ended left out. */
  backlog(): Promise<BacklogCount[]>

  /** Resolves while the store can be written, else rejects as any write would. Cheap while all is well. */
  check(): Promise<void>

  /** Lets go of the database. Idempotent; what was accepted before is durable. */
  close(): Promise<void>
}
