import type { Clock } from '../../base/clock.ts'
import type { CallOptions } from '../../revocation/qlik-tenant.ts'
import type { TierWait } from '../../revocation/retry-policy.ts'
import type { TenantConfig } from '../tenant-config.ts'
import type { Ledger, LedgerLimits } from './ledger.ts'
import { TIERS, type Tier } from './permit-log.ts'
import { type Permit, TierGate } from './tier-gate.ts'

/** What a budget allows: calls per window in each tier, how long one may take, and revoking calls under way. */
export type BudgetLimits = Pick<
  TenantConfig,
  'tier1Limit' | 'tier2Limit' | 'windowMs' | 'timeoutMs' | 'concurrency'
>

/** A block that has begun. Times in ms since the epoch. */
export interface NewBlock {
  tier: Tier
  until: number
  /** How long Qlik asked to wait, or null where it did not say; in ms. */
  askedMs: number | null
}

export interface RateBudgetOptions {
  limits: BudgetLimits
  openLedger: (tier: Tier, limits: LedgerLimits) => Ledger
  clock: Clock
  /** Called once for each block, however many calls are refused at the same time. */
  onBlock: (block: NewBlock) => void
}

/**
 * The calls that may be made to one tenant with one OAuth client, in both tiers
 * (https://qlik.dev/apis/rest/rate-limiting). A permit is drawn before each call, the token endpoint's included,
 * and is stored before the call is made, so that a restart remembers the last window.
 */
export class RateBudget {
  readonly #options: Pick<RateBudgetOptions, 'clock' | 'onBlock'>
  readonly #ledgers: Record<Tier, Ledger>
  readonly #gates: Record<Tier, TierGate>
  #limits: BudgetLimits
  #restoring: Promise<void> | null = null
  /** Of calls that were abandoned. */
  readonly #timers = new Set<() => void>()

  constructor({ limits, openLedger, ...options }: RateBudgetOptions) {
    this.#options = options
    this.#limits = limits
    this.#ledgers = { 1: openLedger(1, limitsOf(1, limits)), 2: openLedger(2, limitsOf(2, limits)) }
    this.#gates = {
      1: new TierGate(this.#ledgers[1], concurrencyOf(1, limits), (end) => this.#atTimeout(end)),
      2: new TierGate(this.#ledgers[2], concurrencyOf(2, limits), (end) => this.#atTimeout(end)),
    }
  }

  get windowMs(): number {
    return this.#limits.windowMs
  }

  /**
   * Allows this much from now on, also to those that wait. Calls that were made and calls under way still count, so that a
   * lower limit leaves no room until enough of them have left the window.
   */
  change(limits: BudgetLimits): void {
    this.#limits = limits
    for (const tier of TIERS) {
      this.#ledgers[tier].change(limitsOf(tier, limits))
      this.#gates[tier].change(concurrencyOf(tier, limits))
    }
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

  /**
   * Qlik has asked to wait: nothing of this tier is let through for `ms`, and then one call, before all others. The other
   * tier goes on.
   */
  async block(tier: Tier, { ms, askedMs }: TierWait): Promise<void> {
    const ledger = this.#ledgers[tier]
    const isNew = ledger.blockedUntil() === null
    const blocking = ledger.block(ms)
    const until = this.blockedUntil(tier)
    if (isNew && until !== null) this.#options.onBlock({ tier, until, askedMs })
    await blocking
  }

  /** Until when Qlik has blocked a tier, as far as this process knows; ms since the epoch, null where it has not. */
  blockedUntil(tier: Tier): number | null {
    const until = this.#ledgers[tier].blockedUntil()
    return until === null ? null : this.#wallTime(until)
  }

  /** When the next call could start, where no room is left in the window; ms since the epoch, null where there is room. */
  usedUpUntil(tier: Tier): number | null {
    const until = this.#ledgers[tier].usedUpUntil()
    return until === null ? null : this.#wallTime(until)
  }

  /** How many calls of this tier could start now. */
  remaining(tier: Tier): number {
    return this.#ledgers[tier].remaining()
  }

  /** When `calls` more calls of this tier could all have started, at the earliest; ms since the epoch. */
  estimate(tier: Tier, calls: number): number {
    return this.#wallTime(this.#ledgers[tier].freeAt(calls))
  }

  #atTimeout(end: () => void): void {
    const cancel = this.#options.clock.after(this.#limits.timeoutMs, () => {
      this.#timers.delete(cancel)
      end()
    })
    this.#timers.add(cancel)
  }

  /** Gives back what was drawn and not used. Calls that were abandoned count as under way. */
  async close(): Promise<void> {
    for (const cancel of this.#timers) cancel()
    await Promise.all([this.#ledgers[1].close(), this.#ledgers[2].close()])
  }

  #wallTime(monotonic: number): number {
    const { clock } = this.#options
    return Math.ceil(clock.now() + Math.max(0, monotonic - clock.monotonic()))
  }
}

function limitsOf(tier: Tier, { tier1Limit, tier2Limit, windowMs, timeoutMs }: BudgetLimits): LedgerLimits {
  return { limit: tier === 1 ? tier1Limit : tier2Limit, windowMs, timeoutMs }
}

/** Reads are few for each revocation; the runs at once bound them. */
function concurrencyOf(tier: Tier, { concurrency }: BudgetLimits): number {
  return tier === 1 ? Number.POSITIVE_INFINITY : concurrency
}
