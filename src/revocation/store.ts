import type { Interval } from '../base/interval.ts'
import type { ReplayKey } from './replay.ts'
import type { Revocation, Status, TokenCounts } from './revocation.ts'
import type { Session, SessionSource } from './session.ts'
import type { Reason, Signal } from './signal.ts'
import type { SignalTime } from './signal-time.ts'
import type { Confirmation, Ending, Waiting } from './transitions.ts'

export interface Accepted {
  /** The revocations as they stood when the request was first accepted, one for each signal, in order. */
  revocations: Revocation[]
  /** Whether this is the answer to an earlier request under the same key. */
  replayed: boolean
}

/** How many revocations may be claimed. */
export interface Room {
  total: number
  /** Of one tenant at most, so that a tenant which is slow or down leaves room for the others. */
  perTenant: number
  /** Tenants of which fewer than `perTenant` may be claimed now, with how many. A store may take only the 0 to the letter. */
  exceptions: ReadonlyMap<string, number>
}

export interface ClaimRequest {
  now: number
  /** For each reason apart: what waits must not keep a more urgent one from starting. */
  room: Record<Reason, Room>
}

/** Told of what other processes that share the store have done; all of it may be told too often. */
export interface Watcher {
  /** There may be something to claim. */
  onWork(): void
  /** A revocation of this user has ended; by `userKey`. */
  onEnded(userKey: string): void
}

/** Which confirming listings may be made. */
export interface ConfirmationsRequest {
  now: number
  room: Room
}

export interface ClaimedConfirmations {
  claimed: Revocation[]
  /** How many were due and wait for a newer one of the same user, which proves them, too. */
  postponed: number
}

/** A confirming listing of which nothing is heard for this long is due again, also for another process. */
export const CONFIRMATION_LEASE_MS = 60_000
/** How long one waits for a newer one of the same user before it is looked at again. */
export const SUCCESSOR_WAIT_MS = 60_000

export interface RevocationQuery {
  status?: Status | undefined
  /** Only those that another one has superseded, or only the others. */
  superseded?: boolean | undefined
  tenant?: string | undefined
  /** Only those of these tenants; of none when it is empty. */
  tenants?: readonly string[] | undefined
  /** Those requested by this Qlik user id, and those requested by a name that led to it. */
  userId?: string | undefined
  limit: number
  cursor?: string | undefined
}

/** A clock that whoever shares the store can read: which one, and how far it is ahead of `Clock.monotonic`, in ms. */
export interface StoreClock {
  clock: string
  offset: Interval
}

export interface BacklogCount {
  tenant: string
  status: Status
  count: number
}

/**
 * Where revocations are kept. Every method that changes something resolves only when the change is durable
 * (it survives a power cut; `claim` and `progress` survive the process only, which is all they are for), and is
 * atomic: all of it or nothing. When the store cannot write or read, every method rejects with
 * `CURFEW_STORE_UNAVAILABLE`; then nothing has changed, unless the connection broke while a commit was under way,
 * after which doing it again does no harm.
 *
 * Per tenant, user and device type there is at most one queued and one running revocation.
 *
 * Several processes may share a store where it allows that. A revocation that is claimed belongs to the process that
 * claimed it: `end`, `putBack` and `progress` are without effect for any other, and for one that has lost
 * it because it was not heard of for a while.
 */
export interface RevocationStore {
  /**
   * The store's clock: that of the database, where processes share one, else the steady clock of this process. Null while it
   * is not known.
   */
  clock(): StoreClock | null

  /**
   * Makes signals durable, all or none. A signal joins the user's queued revocation if there is one (see
   * `join`), else it makes a new one, also while one is running.
   * @throws CURFEW_IDEMPOTENCY_MISMATCH when the key is known with another fingerprint
   */
  accept(signals: Signal[], replay: ReplayKey | null, now: number): Promise<Accepted>

  /**
   * Takes queued revocations that are due and marks them running, with `attempts` one higher: the most urgent first,
   * of one tenant the oldest first, and all tenants in turn. A user with a running revocation is passed over. Where
   * processes share the store, what one has lost is claimed like what is queued. There may be more to claim unless
   * the answer is empty.
   */
  claim(request: ClaimRequest): Promise<Revocation[]>

  /**
   * Takes completed revocations whose confirming listing is due: all tenants in turn. One that has a newer revocation of
   * the same user, which waits, runs or has a confirming listing due itself, is passed over: that one proves both. A confirmation
   * that is not reported by `confirm` within `CONFIRMATION_LEASE_MS` is due again. There may be more unless the answer is
   * empty.
   */
  claimConfirmations(request: ConfirmationsRequest): Promise<ClaimedConfirmations>

  /** Replaces the times of those of these revocations that are queued by what `resolve` makes of them. */
  measure(ids: readonly string[], resolve: (time: SignalTime) => SignalTime): Promise<void>

  /** When the next revocation or confirming listing becomes due, later than `now`; null when none waits. */
  nextDueAt(now: number): Promise<number | null>

  /**
   * Ends a running revocation. Without effect on one that this process does not run.
   * @returns whether it had an effect
   */
  end(id: string, ending: Ending): Promise<boolean>

  /**
   * Puts a running revocation back into the queue. If a newer one is queued for the same user, that one joins
   * it, and the newer id leads here from then on. Without effect on one that this process does not run.
   */
  putBack(id: string, waiting: Waiting): Promise<void>

  /**
   * Keeps the Qlik users of a running revocation for it, whatever name it was given: their tokens are revoked by one run at a
   * time. A less urgent run that holds one of them loses it, and is `overtaken`. They are free again when the run ends or is
   * put back.
   * @returns false, and holds none, where another run has one of them, or this process does not run it any more
   */
  holdUsers(id: string, userIds: readonly string[], urgency: number): Promise<boolean>

  /** Notes how far a running revocation is. Without effect on one that this process does not run. */
  progress(id: string, tokens: TokenCounts): Promise<void>

  /**
   * Notes what a confirming listing has shown. A proof is also that of the older revocations of the same user that wait for
   * theirs. Where a token was found, the revocation is queued again under its id, and one that is queued for the same user
   * joins it.
   * @returns the revocation as it is then; null where it is not completed any more
   */
  confirm(id: string, confirmation: Confirmation): Promise<Revocation | null>

  /**
   * Queues a failed or unverified revocation again, and lets a waiting one start at once. If another one is
   * queued for the same user, that one is widened by this one and answered instead. A running one, and one whose confirming
   * listing is due, is answered as it is.
   * @returns null when there is no such revocation
   * @throws CURFEW_NOT_RETRYABLE when it is completed and verified
   */
  retry(id: string, now: number): Promise<Revocation | null>

  /** One revocation, also by the id of one that joined it; null when there is none. */
  get(id: string): Promise<Revocation | null>

  /** Revocations, the newest first. `nextCursor` is null on the last page. An unknown cursor is not an error. */
  list(query: RevocationQuery): Promise<{ items: Revocation[]; nextCursor: string | null }>

  /**
   * Revocations, by id, that this process should stop running: for whose user a more urgent one is queued or has begun, or
   * which were lost to another process.
   */
  overtaken(): Promise<string[]>

  /**
   * Called once, before the first claim. Puts back whatever was running when the process ended, where no other process
   * can be running it, and lets nothing wait longer than a backoff can last: the clock may have been set back. Answers
   * how many were running.
   */
  recover(now: number): Promise<number>

  /** Tells from now on what other processes have done. A store for one process has nothing to tell. */
  watch(watcher: Watcher): void

  /**
   * Notes whose a session is. What was noted of it before, for the same source, is replaced; of changes to one session the
   * last call counts, also where calls overlap.
   */
  noteSession(of: SessionSource, session: Session): Promise<void>

  /** A session of this source that has not expired; null when there is none. */
  findSession(of: SessionSource, sid: string, now: number): Promise<Session | null>

  /** Forgets a session of this source. Idempotent. */
  forgetSession(of: SessionSource, sid: string): Promise<void>

  /**
   * Deletes revocations that ended before `endedBefore`, replay keys older than their window, and sessions that have
   * expired; tells how many there were of all of them.
   */
  purge(endedBefore: number, now: number): Promise<number>

  /** How many revocations there are by tenant and status, those that have ended left out. */
  backlog(): Promise<BacklogCount[]>

  /** Resolves while the store can be written, else rejects as any write would. Cheap while all is well. */
  check(): Promise<void>

  /** Lets go of the database. Idempotent; what was accepted before is durable. */
  close(): Promise<void>
}
