import { LONGEST_TIER_WAIT_MS } from '../../revocation/retry-policy.ts'
import type { Ledger, LedgerLimits, LedgerOptions } from './ledger.ts'
import type { PermitLog } from './permit-log.ts'
import { REMEMBERED_FOR_MS, SlidingLog } from './sliding-log.ts'
import { TierBlock } from './tier-block.ts'

/** Timers and clocks may differ by a few ms from those of the tenant. */
const MARGIN_MS = 5

/** `onFailure`: a permit could not be stored. The call is made anyway, because revoking matters more. */
export type LocalLedgerOptions = LedgerOptions<PermitLog>

/**
 * Counts the calls of this process, in memory. Each is stored before it is made, so that a restart remembers the
 * window.
 */
export class LocalLedger implements Ledger {
  readonly #options: Omit<LocalLedgerOptions, keyof LedgerLimits>
  readonly #log: SlidingLog
  readonly #block = new TierBlock()
  #limits: LedgerLimits

  constructor({ limit, windowMs, timeoutMs, ...options }: LocalLedgerOptions) {
    this.#options = options
    this.#limits = { limit, windowMs, timeoutMs }
    this.#log = new SlidingLog(this.#limits)
  }

  room(): number {
    const now = this.#now()
    return this.#block.allows(this.#log.room(now), now)
  }

  remaining(): number {
    return this.room()
  }

  /** No other process uses the budget. */
  observe(): void {}

  begin(): boolean {
    this.#log.begin()
    return this.#block.begin()
  }

  end(): void {
    this.#log.end(this.#options.clock.monotonic())
  }

  cancel(): void {
    this.#log.cancel()
  }

  probed(passed: boolean): void {
    const { key, permits, onFailure } = this.#options
    if (this.#block.probed(passed, this.#now())) permits.unblock(key).catch(onFailure)
  }

  freeAt(nth: number): number {
    const now = this.#now()
    return Math.max(this.#log.freeAt(nth, now), this.#block.until(now) ?? now)
  }

  usedUpUntil(): number | null {
    const now = this.#now()
    const freeAt = this.#log.freeAt(1, now)
    return freeAt > now ? freeAt : null
  }

  /**
   * Calls back at the end of a window or block. If only calls under way leave no room, the caller notices their end.
   */
  whenRoom(_wanted: number, callback: () => void): () => void {
    const { clock } = this.#options
    if (this.#block.isProbing) return () => {}
    const freeAt = this.freeAt(1) + MARGIN_MS
    return clock.after(Math.max(1, Math.ceil(freeAt - clock.monotonic())), callback)
  }

  async noted(): Promise<void> {
    const { key, permits, clock, onFailure } = this.#options
    const now = clock.now()
    await permits.note(key, now, this.#since(now)).catch(onFailure)
  }

  async block(ms: number): Promise<void> {
    const { key, permits, clock, onFailure } = this.#options
    this.#block.block(clock.monotonic() + ms)
    await permits.block(key, Math.ceil(clock.now() + ms)).catch(onFailure)
  }

  blockedUntil(): number | null {
    return this.#block.until(this.#options.clock.monotonic())
  }

  hasRecovered(): boolean {
    return this.#block.hasRecovered
  }

  change(limits: LedgerLimits): void {
    this.#limits = limits
    this.#log.change(limits)
  }

  async restore(): Promise<void> {
    const { key, permits, clock } = this.#options
    const now = clock.now()
    const toMonotonic = (at: number) => clock.monotonic() + Math.min(at - now, 0)
    const history = await permits.history(key, this.#since(now))
    // Only the start times of these calls are known; each ended within the timeout, and before this process started.
    for (const { at, count } of history.permits)
      this.#log.restore(toMonotonic(at + this.#limits.timeoutMs), count)
    if (history.blockedUntil !== null) {
      // A longer block was written with a wrong clock, or by an earlier version.
      this.#block.block(clock.monotonic() + Math.min(history.blockedUntil - now, LONGEST_TIER_WAIT_MS))
    }
  }

  async close(): Promise<void> {}

  /** Calls that started earlier are over, regardless of the next window. */
  #since(now: number): number {
    const { windowMs, timeoutMs } = this.#limits
    return now - Math.max(windowMs, REMEMBERED_FOR_MS) - timeoutMs
  }

  #now(): number {
    return this.#options.clock.monotonic() - MARGIN_MS
  }
}
