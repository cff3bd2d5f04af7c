import type { AuditEvent } from '../audit/entry.ts'
import type { Revocation, TokenCounts } from '../revocation.ts'
import type { Room } from '../schedule.ts'
import type { Reason } from '../signal.ts'
import type { Ending, Waiting } from '../transitions.ts'

export interface ClaimRequest {
  now: number
  /** For each reason separately: waiting revocations must not keep a more urgent one from starting. */
  room: Record<Reason, Room>
}

/**
 * The part of `RevocationStore` for runs. A claimed revocation belongs to the process that claimed it: `end`, `putBack` and
 * `progress` have no effect for any other process, nor for one that has lost it because its heartbeat was overdue.
 */
export interface RunStore {
  /**
   * Claims queued revocations that are due and marks them running, incrementing `attempts`: most urgent first,
   * round-robin across tenants. Within a tenant, those with the fewest tokens, as far as there is room by size; then the
   * oldest, whatever their size. Skips users with a running revocation. If processes share the store, revocations lost
   * by another process are claimed like queued ones. There may be more to claim unless the result is empty.
   */
  claim(request: ClaimRequest): Promise<Revocation[]>

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
}
