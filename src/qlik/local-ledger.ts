import type { Clock } from '../clock.ts'
import type { Ledger } from './ledger.ts'
import { type BudgetKey, LONGEST_BLOCK_MS, type PermitLog } from './permit-log.ts'
import { SlidingLog } from './sliding-log.ts'

/** Timers and clocks may differ by a few ms from those of the tenant. */
const MARGIN_MS = 5

export interface LocalLedgerOptions {
  key: BudgetKey
  limit: number
  windowMs: number
  /** How long a call can take: one that was under way when the process ended may have arrived that late. */
  timeoutMs: number
  permits: PermitLog
  clock: Clock
  /** Told when a permit could not be stored; the call is made all the same, since revoking matters more. */
  onFailure: (error: unknown) => void
}

/** Calls of this process alone, in memory; each is stored before it is made, so that a restart remembers the window. */
export class LocalLedger implements Ledger {
  readonly #options: LocalLedgerOptions
  readonly #log: SlidingLog
  #blockedUntil = 0

  constructor(options: LocalLedgerOptions) {
    this.#options = options
    this.#log = new SlidingLog(options.limit, options.windowMs)
  }

  room(): number {
    return this.#blockedUntil > this.#now() ? 0 : this.#log.room(this.#now())
  }

  remaining(): number {
    return this.room()
  }

  begin(): void {
    this.#log.begin()
  }

  end(): void {
    this.#log.end(this.#options.clock.monotonic())
  }

  cancel(): void {
    this.#log.cancel()
  }

  freeAt(nth: number): number {
    return Math.max(this.#log.freeAt(nth, this.#now()), this.#blockedUntil)
  }

  /** At a window's or a block's end. Where only calls under way are in the way, their end is noticed by the caller. */
  whenRoom(_wanted: number, callback: () => void): () => void {
    const { clock } = this.#options
    const freeAt = this.freeAt(1) + MARGIN_MS
    return clock.after(Math.max(1, Math.ceil(freeAt - clock.monotonic())), callback)
  }

  async noted(): Promise<void> {
    const { key, permits, clock, windowMs, timeoutMs, onFailure } = this.#options
    const now = clock.now()
    await permits.note(key, now, now - windowMs - timeoutMs).catch(onFailure)
  }

  async block(ms: number): Promise<void> {
    const { key, permits, clock, onFailure } = this.#options
    this.#blockedUntil = Math.max(this.#blockedUntil, clock.monotonic() + ms)
    await permits.block(key, Math.ceil(clock.now() + ms)).catch(onFailure)
  }

  async restore(): Promise<void> {
    const { key, permits, clock, windowMs, timeoutMs } = this.#options
    const now = clock.now()
    const toMonotonic = (at: number) => clock.monotonic() + Math.min(at - now, 0)
    const history = await permits.history(key, now - windowMs - timeoutMs)
    // Only the start of these calls is known; each ended within the timeout, and before this process began.
    for (const { at, count } of history.permits) this.#log.restore(toMonotonic(at + timeoutMs), count)
    if (history.blockedUntil !== null && history.blockedUntil > now) {
      this.#blockedUntil = clock.monotonic() + Math.min(history.blockedUntil - now, LONGEST_BLOCK_MS)
    }
  }

  async close(): Promise<void> {}

  #now(): number {
    return this.#options.clock.monotonic() - MARGIN_MS
  }
}
