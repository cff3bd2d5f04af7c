import type { Clock } from '../../base/clock.ts'
import type { BudgetKey } from './permit-log.ts'
import type { Limit } from './sliding-log.ts'

/** The limits of a ledger; all can change at runtime. */
export interface LedgerLimits extends Limit {
  /** Timeout of a call: a call under way when its process ended may have arrived that late. */
  timeoutMs: number
}

export interface LedgerOptions<Permits> extends LedgerLimits {
  key: BudgetKey
  permits: Permits
  clock: Clock
  /** Called when the store of permits fails. */
  onFailure: (error: unknown) => void
}

/**
 * Counts the calls of one tier of one budget. A call counts from its start until a window after its end, because Qlik
 * counts it when it arrives, somewhere in between. Times are monotonic ms of this process.
 */
export interface Ledger {
  /** Number of calls that may start now. */
  room(): number
  /** Number of calls that could start now or very soon, as far as this process knows. */
  remaining(): number
  /**
   * Other processes share the budget: `remaining` further calls were left when it was read, which began at `readAt`.
   */
  observe(remaining: number, readAt: number): void
  /** A call starts; requires room. Returns true if it is the probe, the one call that goes first after a block. */
  begin(): boolean
  /** A call has ended: with a response, a failure or a timeout. */
  end(): void
  /** A started call was not made. */
  cancel(): void
  /** The probe has ended; `passed`: whether Qlik accepted it. */
  probed(passed: boolean): void
  /** Earliest time at which the `nth` next call (1 is the first) could start, as far as this process knows. */
  freeAt(nth: number): number
  /** When the next call could start if the window has no room for it; null if it has, as far as this process knows. */
  usedUpUntil(): number | null
  /**
   * Calls back once, when there may be room for some of `wanted` calls; the returned function cancels. One at a time.
   */
  whenRoom(wanted: number, callback: () => void): () => void
  /** Resolves when the record of the call just started survives this process. */
  noted(): Promise<void>
  /** Qlik has requested a wait: there is no room for `ms`, and then for a single call until it has passed. */
  block(ms: number): Promise<void>
  /** When the wait that Qlik asked for ends, as far as this process knows; null if no block is in force. */
  blockedUntil(): number | null
  /** Whether Qlik has accepted a call since the last block, as far as this process knows. */
  hasRecovered(): boolean
  /** Applies new limits. Callers waiting for room must check again. */
  change(limits: LedgerLimits): void
  /** Reads the history of earlier processes. Must be awaited once, before anything else. */
  restore(): Promise<void>
  /** Returns what this process holds. */
  close(): Promise<void>
}
