import type { Clock } from '../clock.ts'
import type { CallOptions } from '../revocation/qlik-tenant.ts'
import type { BudgetKey, PermitLog, Tier } from './permit-log.ts'
import { SlidingLog } from './sliding-log.ts'
import { type Permit, TierGate } from './tier-gate.ts'

/** A stored block that lasts longer was written by a clock that was wrong. */
const LONGEST_BLOCK_MS = 24 * 60 * 60_000

export interface RateBudgetOptions {
  tenant: string
  client: string
  /** Calls per window, by tier. */
  limits: Record<Tier, number>
  windowMs: number
  /** Calls under way at most, by tier. */
  concurrency: Record<Tier, number>
  /** How long a call can take: one that was under way when the process ended may have arrived that late. */
  timeoutMs: number
  permits: PermitLog
  clock: Clock
  /** Told when a permit could not be stored; the call is made all the same, since revoking matters more. */
  onLogFailure: (error: unknown) => void
}

/**
 * The calls that may be made to one tenant with one OAuth client, in both tiers
 * (https://qlik.dev/apis/rest/rate-limiting). A permit is drawn before each call, the token endpoint's included,
 * and is stored before the call is made, so that a restart remembers the last window.
 */
export class RateBudget {
  readonly windowMs: number
  readonly #options: RateBudgetOptions
  readonly #logs: Record<Tier, SlidingLog>
  readonly #gates: Record<Tier, TierGate>

  constructor(options: RateBudgetOptions) {
    const { limits, windowMs, concurrency, clock } = options
    this.windowMs = windowMs
    this.#options = options
    this.#logs = { 1: new SlidingLog(limits[1], windowMs), 2: new SlidingLog(limits[2], windowMs) }
    this.#gates = {
      1: new TierGate(this.#logs[1], clock, concurrency[1]),
      2: new TierGate(this.#logs[2], clock, concurrency[2]),
    }
  }

  /** Reads back what earlier processes drew. To be awaited once, before the first draw. */
  async restore(): Promise<void> {
    await Promise.all([this.#restoreTier(1), this.#restoreTier(2)])
  }

  /** Waits until a call of this tier may be made. Rejects with the signal's reason when that aborts first. */
  async draw(tier: Tier, options: CallOptions): Promise<Permit> {
    const permit = await this.#gates[tier].draw(options)
    const now = this.#options.clock.now()
    try {
      await this.#options.permits.note(this.#key(tier), now, now - this.windowMs - this.#options.timeoutMs)
    } catch (error) {
      this.#options.onLogFailure(error)
    }
    return permit
  }

  /** Qlik has asked to wait: nothing of this tier is let through for `ms`. The other tier goes on. */
  async block(tier: Tier, ms: number): Promise<void> {
    const { clock, permits } = this.#options
    this.#gates[tier].block(clock.monotonic() + ms)
    try {
      await permits.block(this.#key(tier), Math.ceil(clock.now() + ms))
    } catch (error) {
      this.#options.onLogFailure(error)
    }
  }

  /** How many calls of this tier could start now. */
  remaining(tier: Tier): number {
    return this.#gates[tier].remaining()
  }

  /** When `calls` more calls of this tier could all have started, at the earliest; ms since the epoch. */
  estimate(tier: Tier, calls: number): number {
    const { clock } = this.#options
    return Math.ceil(clock.now() + Math.max(0, this.#gates[tier].freeAt(calls) - clock.monotonic()))
  }

  #key(tier: Tier): BudgetKey {
    return { tenant: this.#options.tenant, client: this.#options.client, tier }
  }

  async #restoreTier(tier: Tier): Promise<void> {
    const { clock, permits, timeoutMs } = this.#options
    const now = clock.now()
    const toMonotonic = (at: number) => clock.monotonic() + Math.min(at - now, 0)
    const history = await permits.history(this.#key(tier), now - this.windowMs - timeoutMs)
    // Only the start of these calls is known; each ended within the timeout, and before this process began.
    for (const { at, count } of history.permits) this.#logs[tier].restore(toMonotonic(at + timeoutMs), count)
    if (history.blockedUntil !== null && history.blockedUntil > now) {
      const left = Math.min(history.blockedUntil - now, LONGEST_BLOCK_MS)
      this.#gates[tier].block(clock.monotonic() + left)
    }
  }
}
