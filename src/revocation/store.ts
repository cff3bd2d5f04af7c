import type { Interval } from '../base/interval.ts'
import type { AuditLog } from './audit/audit-log.ts'
import type { Batch } from './batch.ts'
import type { Origin } from './origin.ts'
import type { ReplayKey } from './replay.ts'
import type { Outcome, Revocation, Status } from './revocation.ts'
import type { Reason, Signal, UserReference } from './signal.ts'
import type { SignalTime } from './signal-time.ts'
import type { BatchStore } from './store/batch-store.ts'
import type { ConfirmationStore } from './store/confirmation-store.ts'
import type { HeldStore } from './store/held-store.ts'
import type { NotificationStore } from './store/notification-store.ts'
import type { RunStore } from './store/run-store.ts'
import type { SessionStore } from './store/session-store.ts'
import type { SizeStore } from './store/size-store.ts'
import type { StatisticsStore } from './store/statistics-store.ts'
import type { Found } from './transitions.ts'

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

/**
 * Notified of what other processes that share the store have done, and of signals accepted by a request that then failed.
 * Notifications may be redundant.
 */
export interface Watcher {
  /** There may be something to claim. */
  onWork(): void
  /** A revocation of this user (`userKey`) has ended. */
  onEnded(userKey: string): void
}

/** What an operator can do with all revocations that match a query. */
export type Change = 'retry' | 'cancel' | 'release'

export interface RevocationQuery {
  /** Only these revocations. */
  ids?: readonly string[] | undefined
  status?: Status | undefined
  /**
   * Only revocations that can be changed in this way. `retry`: failed, unverified, or waiting for the next attempt after a
   * failed one; `cancel`: queued, running or held; `release`: held.
   */
  change?: Change | undefined
  /** Only superseded revocations, or only the others. */
  superseded?: boolean | undefined
  tenant?: string | undefined
  /** Only revocations of these tenants; none if the list is empty. */
  tenants?: readonly string[] | undefined
  /** Revocations that this name requested; by a Qlik user id also those by a name that resolved to it. */
  user?: UserReference | undefined
  source?: string | undefined
  /** Senders of the first signal, see `nameOf`. */
  senders?: readonly string[] | undefined
  reason?: Reason | undefined
  outcome?: Outcome | undefined
  /** Only users named by their Qlik user id, or only the others. */
  byUserId?: boolean | undefined
  /** Code of the last error. */
  code?: string | undefined
  /** Only members of this batch. */
  batch?: Batch | undefined
  /** Accepted from this time on, ms since the epoch. */
  since?: number | undefined
  /** Accepted before this time, ms since the epoch. */
  until?: number | undefined
  limit: number
  cursor?: string | undefined
}

/** How many revocations match a query. If not exact, it is a lower bound. */
export interface MatchCount {
  value: number
  isExact: boolean
}

/** How many failed revocations have an error, by tenant. If not exact, they are lower bounds, and tenants can be missing. */
export interface FailureCount {
  byTenant: ReadonlyMap<string, number>
  isExact: boolean
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

/**
 * Stores revocations. Every method that changes something is atomic and resolves only when the change is durable: it
 * survives a power cut. `claim` and `progress` only survive the process, which is sufficient. The entries of the audit
 * trail are part of the change that they record. If the store cannot read or write, every method rejects with
 * `CURFEW_STORE_UNAVAILABLE` and nothing has changed, unless the connection broke during a commit; repeating the call is
 * safe.
 *
 * Per tenant, user and device type there is at most one queued and one running revocation.
 *
 * Several processes may share a store if the store supports it.
 */
export interface RevocationStore
  extends RunStore,
    ConfirmationStore,
    SizeStore,
    StatisticsStore,
    HeldStore,
    SessionStore,
    BatchStore {
  audit: AuditLog

  notifications: NotificationStore

  /**
   * The store's clock: the database's if processes share one, otherwise the steady clock of this process. Null if
   * unknown.
   */
  clock(): StoreClock | null

  /**
   * Makes signals durable. If it rejects, the first of more than 100 signals may still have been accepted; a repetition with
   * the same key continues after them. A signal joins the user's queued revocation if there is one (see `join`); otherwise
   * it creates a new one, even while another one is running. Without signals, only the key is recorded.
   *
   * If the sender has named more users than the brake on mass revocation allows, its signals are held instead, and change
   * nothing that is queued: each joins the revocation held for the same sender, user and device type, or creates one.
   * @param origin the sender; none if Curfew itself requests it
   * @param batch the revocations become its members
   * @throws CURFEW_IDEMPOTENCY_MISMATCH if the key is known with a different fingerprint; CURFEW_BATCH_FULL
   */
  accept(
    signals: Signal[],
    replay: ReplayKey | null,
    now: number,
    origin?: Origin,
    batch?: Batch,
  ): Promise<Accepted>

  /**
   * Whether `accept` has recorded this key with the whole answer. For checks that must come before `accept`, which decides.
   * @throws CURFEW_IDEMPOTENCY_MISMATCH if the key is known with a different fingerprint
   */
  isReplay(replay: ReplayKey, now: number): Promise<boolean>

  /** Replaces the times of those revocations among `ids` that are queued or held with the result of `resolve`. */
  measure(ids: readonly string[], resolve: (time: SignalTime) => SignalTime): Promise<void>

  /** When the next revocation or confirming listing becomes due, later than `now`; null if none waits. */
  nextDueAt(now: number): Promise<number | null>

  /**
   * Queues a failed or unverified revocation again, and lets a waiting one start immediately. If another one is
   * queued for the same user, that one is widened by this one and returned instead. A running revocation, or one
   * whose confirming listing is due, is returned unchanged.
   * @returns null if the revocation does not exist
   * @throws CURFEW_NOT_RETRYABLE if it is completed and verified, or cancelled; CURFEW_REVOCATION_HELD
   */
  retry(id: string, now: number, origin?: Origin): Promise<Revocation | null>

  /**
   * Ends a queued, held or running revocation. Its run has no further effect, and becomes `overtaken`. A cancelled one is
   * returned unchanged.
   * @param force whether signals of several senders may be cancelled
   * @param only nothing is changed unless the revocation is still this one
   * @returns null if the revocation does not exist, or is not `only`
   * @throws CURFEW_NOT_CANCELLABLE if it has ended, or replicas of versions that do not know the state are running;
   * CURFEW_SEVERAL_SENDERS
   */
  withdraw(
    id: string,
    options: { now: number; force: boolean; only?: Found },
    origin?: Origin,
  ): Promise<Revocation | null>

  /** One revocation, by its id or the id of one that joined it; null if there is none. */
  get(id: string): Promise<Revocation | null>

  /**
   * Revocations, newest first. `nextCursor` is null on the last page. An unknown cursor is not an error. The number of rows
   * that are read is limited: other pages can have fewer items than `limit`, even none.
   */
  list(query: RevocationQuery): Promise<{ items: Revocation[]; nextCursor: string | null }>

  /** Counts revocations, as far as a limited number of rows shows. The cursor and the limit have no effect. */
  count(query: RevocationQuery): Promise<MatchCount>

  /** The codes of the errors of failed revocations, in alphabetical order; also those of later versions. */
  failureCodes(): Promise<string[]>

  /** Counts failed revocations with an error, up to a limit; not superseded ones. */
  countFailures(query: Pick<RevocationQuery, 'tenants'> & { code: string }): Promise<FailureCount>

  /** Subscribes to changes that no method of this process reports. */
  watch(watcher: Watcher): void

  /**
   * Deletes revocations that ended before `endedBefore` (never held ones), replay keys older than their window, and expired
   * sessions; returns the number of deleted rows.
   */
  purge(endedBefore: number, now: number): Promise<number>

  /** Number of revocations that have not ended, by tenant and status. By default of all of `UNENDED`. */
  backlog(statuses?: readonly Status[]): Promise<BacklogCount[]>

  /**
   * Resolves if the store can be written, and otherwise rejects as any write would. Cheap while the store is healthy.
   */
  check(): Promise<void>

  /** Closes the database. Idempotent; everything accepted before is durable. */
  close(): Promise<void>
}
