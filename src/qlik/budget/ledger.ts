import type { Limit } from './sliding-log.ts'

/** What a ledger counts by; all of it can change while calls are made. */
export interface LedgerLimits extends Limit {
  /** How long a call can take: one that was under way when its process ended may have arrived that late. */
  timeoutMs: number
}

/**
 * Where the calls of one tier of one budget are counted. A call counts from its start until a window after its end: Qlik
 * counts it when it arrives, somewhere in between. Times are monotonic ms of this process.
 */
export interface Ledger {
  /** How many calls may start now. */
  room(): number
  /** How many calls could start now or very soon, as far as this process knows. */
  remaining(): number
  /** A call starts; only where there is room. True where it is the one that goes first after a block, the probe. */
  begin(): boolean
  /** A call has ended: answered, failed or timed out. */
  end(): void
  /** A call that had begun was not made. */
  cancel(): void
  /** The probe has ended: whether Qlik let it through. */
  probed(passed: boolean): void
  /** When the `nth` next call (1 is the first) could start at the earliest, as far as this process knows. */
  freeAt(nth: number): number
  /** When the next call could start, where the window has no room for it; null where it has, as far as this process knows. */
  usedUpUntil(): number | null
  /** Calls back when there may be room for some of `wanted` calls, once; the answer cancels. One at a time. */
  whenRoom(wanted: number, callback: () => void): () => void
  /** Resolves when the call that has just begun will not be forgotten with this process. */
  noted(): Promise<void>
  /** Qlik has asked to wait: there is no room for `ms`, and then for a single call until that has passed. */
  block(ms: number): Promise<void>
  /** Until when Qlik has asked to wait, as far as this process knows; null where no block is in force. */
  blockedUntil(): number | null
  /** Counts by these limits from now on. Whoever waits for room must look again. */
  change(limits: LedgerLimits): void
  /** Reads back what earlier processes did. To be awaited once, before anything else. */
  restore(): Promise<void>
  /** Gives back what this process holds. */
  close(): Promise<void>
}
