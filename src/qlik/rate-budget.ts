import type { Clock } from '../clock.ts'
import type { CallOptions } from '../revocation/qlik-tenant.ts'
import type { Ledger } from './ledger.ts'
import type { Tier } from './permit-log.ts'
import { type Permit, TierGate } from './tier-gate.ts'

export interface RateBudgetOptions {
  windowMs: number
  ledgers: Record<Tier, Ledger>
  /** Calls under way at most, by tier. */
  concurrency: Record<Tier, number>
  clock: Clock
}

/**
 * The calls that may be made to one tenant with one OAuth client, in both tiers
 * (https://qlik.dev/apis/rest/rate-limiting). A permit is drawn before each call, the token endpoint's included,
 * and is stored before the call is made, so that a restart remembers the last window.
 */
export class RateBudget {
  readonly windowMs: number
  readonly #ledgers: Record<Tier, Ledger>
  readonly #gates: Record<Tier, TierGate>
  readonly #clock: Clock
  #restoring: Promise<void> | null = null

  constructor({ windowMs, ledgers, concurrency, clock }: RateBudgetOptions) {
    this.windowMs = windowMs
    this.#ledgers = ledgers
    this.#gates = {
      1: new TierGate(ledgers[1], concurrency[1]),
      2: new TierGate(ledgers[2], concurrency[2]),
    }
    this.#clock = clock
  }

  /**
   * Reads back what earlier processes drew, once, however often it is asked for. To be awaited before the first draw. What
   * fails is tried again when asked for the next time.
   */
  restore(): Promise<void> {
    this.#restoring ??= this.#readBack().catch((error) => {
      this.#restoring = null
      throw error
    })
    return this.#restoring
  }

  async #readBack(): Promise<void> {
    await Promise.all([this.#ledgers[1].restore(), this.#ledgers[2].restore()])
  }

  /** Waits until a call of this tier may be made. Rejects with the signal's reason when that aborts first. */
  async draw(tier: Tier, options: CallOptions): Promise<Permit> {
    const permit = await this.#gates[tier].draw(options)
    await this.#ledgers[tier].noted()
    return permit
  }

  /** Qlik has asked to wait: nothing of this tier is let through for `ms`. The other tier goes on. */
  block(tier: Tier, ms: number): Promise<void> {
    return this.#ledgers[tier].block(ms)
  }

  /** How many calls of this tier could start now. */
  remaining(tier: Tier): number {
    return this.#ledgers[tier].remaining()
  }

  /** When `calls` more calls of this tier could all have started, at the earliest; ms since the epoch. */
  estimate(tier: Tier, calls: number): number {
    const monotonic = this.#clock.monotonic()
    return Math.ceil(this.#clock.now() + Math.max(0, this.#ledgers[tier].freeAt(calls) - monotonic))
  }

  /** Gives back what was drawn and not used. */
  async close(): Promise<void> {
    await Promise.all([this.#ledgers[1].close(), this.#ledgers[2].close()])
  }
}
