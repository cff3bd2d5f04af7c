import type { Interval } from '../base/interval.ts'
import type { AuditLog } from './audit/audit-log.ts'
import type { AuditEvent } from './audit/entry.ts'
import type { Origin, SenderSelection } from './origin.ts'
import type { ReplayKey } from './replay.ts'
import type { Revocation, Status, TokenCounts } from './revocation.ts'
import type { Room } from './schedule.ts'
import type { Session, SessionSource } from './session.ts'
import type { Reason, Signal } from './signal.ts'
import type { SignalTime } from './signal-time.ts'
import type { Confirmation, Ending, Waiting } from './transitions.ts'

export interface Accepted {
  /** The revocations as they were when the request was first accepted, one for each signal, in order. */
  revocations: Revocation[]
  /** Whether this repeats the answer to an earlier request with the same key. */
  replayed: boolean
  /**
   * Whether the sender has named too many users. The revocations of further users are held, unless replicas of earlier
   * versions are running, which could not read them.
   */
  isBraked?: boolean
}

/** Selects held revocations, oldest first. */
export interface HeldQuery {
  ids?: readonly string[] | undefined
  sender?: SenderSelection | undefined
  /** Only revocations of these tenants; none if the list is empty. */
  tenants?: readonly string[] | undefined
  limit: number
}

/** What became of held revocations. */
export interface Decided {
  /** Their state now; that of the one they joined if they joined one. */
  revocations: Revocation[]
  /** How many of them joined a queued revocation. */
  joined: number
  /** Whether others that the query selects are still held, those included that another operator is deciding about. */
  more: boolean
}

export interface ClaimRequest {
  now: number
  /** For each reason separately: waiting revocations must not keep a more urgent one from starting. */
  room: Record<Reason, Room>
}

/** Notified of what other processes that share the store have done. Notifications may be redundant. */
export interface Watcher {
  /** There may be something to claim. */
  onWork(): void
  /** A revocation of this user (`userKey`) has ended. */
  onEnded(userKey: string): void
}

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

/** Limits for claiming confirming listings. */
export interface ConfirmationsRequest {
  now: number
  room: Room
}

export interface ClaimedConfirmations {
  claimed: Revocation[]
  /** Number of listings that were due but wait for a newer revocation of the same user, whose listing proves both. */
  postponed: number
}

/** A confirming listing that is not reported within this time is due again, for any process. */
export const CONFIRMATION_LEASE_MS = 60_000
/** How long a listing waits for a newer revocation of the same user before it is checked again. */
export const SUCCESSOR_WAIT_MS = 60_000

export interface RevocationQuery {
  status?: Status | undefined
  /** Only superseded revocations, or only the others. */
  superseded?: boolean | undefined
  tenant?: string | undefined
  /** Only revocations of these tenants; none if the list is empty. */
  tenants?: readonly string[] | undefined
  /** Revocations requested by this Qlik user id, or by a name that resolved to it. */
  userId?: string | undefined
  limit: number
  cursor?: string | undefined
}

/**
 * A clock that all processes sharing the store can read: its id, and how far it is ahead of `Clock.monotonic`, in ms.
 */
export interface StoreClock {
  clock: string
  offset: Interval
}

/** The statuses of revocations that have not ended. */
export const UNENDED: readonly Status[] = ['queued', 'running', 'held']

export interface BacklogCount {
  tenant: string
  status: Status
  count: number
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

/**
 * Stores revocations. Every method that changes something is atomic and resolves only when the change is durable: it
 * survives a power cut. `claim` and `progress` only survive the process, which is sufficient. The entries of the audit
 * trail are part of the change that they record. If the store cannot
 * read or write, every method rejects with `CURFEW_STORE_UNAVAILABLE` and nothing has changed, unless the connection
 * broke during a commit; repeating the call is safe.
 *
 * Per tenant, user and device type there is at most one queued and one running revocation.
 *
 * Several processes may share a store if the store supports it. A claimed revocation belongs to the process that
 * claimed it: `end`, `putBack` and `progress` have no effect for any other process, nor for one that has lost it
 * because its heartbeat was overdue.
 */
export interface RevocationStore {
  audit: AuditLog

  /**
   * The store's clock: the database's if processes share one, otherwise the steady clock of this process. Null if
   * unknown.
   */
  clock(): StoreClock | null

  /**
   * Makes signals durable. If it rejects, the first of more than 100 signals may still have been accepted; a repetition
   * joins them. A signal joins the user's queued revocation if there is one (see `join`);
   * otherwise it creates a new one, even while another one is running. Without signals, only the key is recorded.
   *
   * If the sender has named more users than the brake on mass revocation allows, its signals are held instead, and change
   * nothing that is queued: each joins the revocation held for the same sender, user and device type, or creates one.
   * @param origin the sender; none if Curfew itself requests it
   * @throws CURFEW_IDEMPOTENCY_MISMATCH if the key is known with a different fingerprint
   */
  accept(signals: Signal[], replay: ReplayKey | null, now: number, origin?: Origin): Promise<Accepted>

  /**
   * Whether `accept` has recorded this key. For checks that must come before `accept`, which decides.
   * @throws CURFEW_IDEMPOTENCY_MISMATCH if the key is known with a different fingerprint
   */
  isReplay(replay: ReplayKey, now: number): Promise<boolean>

  /**
   * Claims queued revocations that are due and marks them running, incrementing `attempts`: most urgent first,
   * round-robin across tenants. Within a tenant, those with the fewest tokens, as far as there is room by size; then the
   * oldest, whatever their size. Skips users with a running revocation. If processes share the store, revocations lost
   * by another process are claimed like queued ones. There may be more to claim unless the result is empty.
   */
  claim(request: ClaimRequest): Promise<Revocation[]>

  /**
   * Claims completed revocations whose confirming listing is due, round-robin across tenants. Skips a revocation if a
   * newer one of the same user waits, runs or has a confirming listing due: the newer one proves both. A confirmation
   * not reported by `confirm` within `CONFIRMATION_LEASE_MS` is due again. There may be more unless the result is
   * empty.
   */
  claimConfirmations(request: ConfirmationsRequest): Promise<ClaimedConfirmations>

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

  /** Replaces the times of those revocations among `ids` that are queued or held with the result of `resolve`. */
  measure(ids: readonly string[], resolve: (time: SignalTime) => SignalTime): Promise<void>

  /** When the next revocation or confirming listing becomes due, later than `now`; null if none waits. */
  nextDueAt(now: number): Promise<number | null>

  /**
   * Ends a running revocation. No effect if this process does not run it.
   * @param events recorded in the audit trail in any case: what the run did since it was last stored
   * @returns whether it had an effect
   */
  end(id: string, ending: Ending, events?: readonly AuditEvent[]): Promise<boolean>

  /**
   * Puts a running revocation back into the queue. If a newer one is queued for the same user, the newer one joins
   * it, and its id resolves to this one from then on. No effect if this process does not run it.
   * @param events see `end`
   */
  putBack(id: string, waiting: Waiting, events?: readonly AuditEvent[]): Promise<void>

  /**
   * Locks Qlik users for a running revocation, regardless of the name in its signal: only one run at a time revokes their
   * tokens. A less urgent run that has locked one of them loses the lock and is `overtaken`. The locks are released when
   * the run ends or is put back.
   * @returns false, locking none, if another run has locked one of them or this process does not run the revocation
   */
  lockUsers(id: string, userIds: readonly string[], urgency: number): Promise<boolean>

  /**
   * Stores the progress of a running revocation. No effect if this process does not run it.
   * @param events see `end`
   */
  progress(id: string, tokens: TokenCounts, events?: readonly AuditEvent[]): Promise<void>

  /**
   * Stores the result of a confirming listing. A proof also applies to older revocations of the same user that wait
   * for theirs. If a token was found, the revocation is queued again under its id, and a revocation queued for the
   * same user joins it.
   * @returns the updated revocation; null if it is not completed
   */
  confirm(id: string, confirmation: Confirmation): Promise<Revocation | null>

  /**
   * Queues a failed or unverified revocation again, and lets a waiting one start immediately. If another one is
   * queued for the same user, that one is widened by this one and returned instead. A running revocation, or one
   * whose confirming listing is due, is returned unchanged.
   * @returns null if the revocation does not exist
   * @throws CURFEW_NOT_RETRYABLE if it is completed and verified, or cancelled; CURFEW_REVOCATION_HELD
   */
  retry(id: string, now: number, origin?: Origin): Promise<Revocation | null>

  /**
   * Queues held revocations, oldest first. One whose user already has a queued revocation joins it, and its id resolves
   * to that one.
   */
  release(query: HeldQuery, now: number, origin?: Origin): Promise<Decided>

  /** Ends held revocations without revoking anything, oldest first. */
  cancel(query: HeldQuery, now: number, origin?: Origin): Promise<Decided>

  /** One revocation, by its id or the id of one that joined it; null if there is none. */
  get(id: string): Promise<Revocation | null>

  /** Revocations, newest first. `nextCursor` is null on the last page. An unknown cursor is not an error. */
  list(query: RevocationQuery): Promise<{ items: Revocation[]; nextCursor: string | null }>

  /**
   * Ids of revocations that this process should stop running: a more urgent one is queued or running for the same
   * user, or the run was lost to another process.
   */
  overtaken(): Promise<string[]>

  /**
   * Called once, before the first claim. Requeues everything that was running when the process ended, unless another
   * process can be running it, and caps every wait at the longest backoff, in case the clock was set back. Returns the
   * number of requeued revocations.
   */
  recover(now: number): Promise<number>

  /** Subscribes to changes made by other processes. A store for a single process reports none. */
  watch(watcher: Watcher): void

  /**
   * Records the user of a session, replacing any earlier record for the same source. The last call wins, even if
   * calls overlap.
   */
  noteSession(of: SessionSource, session: Session, origin?: Origin): Promise<void>

  /** A session of this source that has not expired; null if there is none. */
  findSession(of: SessionSource, sid: string, now: number): Promise<Session | null>

  /** Deletes a session of this source. Idempotent. */
  forgetSession(of: SessionSource, sid: string, origin?: Origin): Promise<void>

  /**
   * Deletes revocations that ended before `endedBefore` (never held ones), replay keys older than their window, and expired
   * sessions; returns the number of deleted rows.
   */
  purge(endedBefore: number, now: number): Promise<number>

  /** Number of revocations that have not ended, by tenant and status. By default of all of `UNENDED`. */
  backlog(statuses?: readonly Status[]): Promise<BacklogCount[]>

  /**
   * All queued and running revocations, in groups. Short queues have groups of one; of a long queue, a group contains up to
   * 1/2,000. For estimates: changes during the call may be missing.
   */
  queue(): Promise<QueueGroup[]>

  /**
   * Resolves if the store can be written, and otherwise rejects as any write would. Cheap while the store is healthy.
   */
  check(): Promise<void>

  /** Closes the database. Idempotent; everything accepted before is durable. */
  close(): Promise<void>
}
