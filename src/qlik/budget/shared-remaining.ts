import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { type BudgetKey, type BudgetReader, TIERS } from './permit-log.ts'
import type { RateBudget } from './rate-budget.ts'

/** Minimum time between the ends of two reads. */
const READ_INTERVAL_MS = 1_000
/** A slow read is followed by a pause of this many times its duration, so reads take at most a tenth of the time. */
const PAUSE_FACTOR = 9

export interface SharedRemainingOptions {
  permits: BudgetReader
  clock: Pick<Clock, 'monotonic'>
  log: Log
}

/** A budget of a tenant's client. */
export interface KnownBudget {
  key: Omit<BudgetKey, 'tier'>
  budget: RateBudget
}

/**
 * Reads how many calls all processes leave in each budget, so that a process that makes no calls also reports current
 * numbers. One query for all budgets, only when somebody asks.
 */
export class SharedRemaining {
  readonly #options: SharedRemainingOptions
  #reading: Promise<void> | null = null
  #notBefore = 0

  constructor(options: SharedRemainingOptions) {
    this.#options = options
  }

  /** Reads now, unless a read has just ended; joins one that is under way. Never rejects. */
  async refresh(budgets: () => readonly KnownBudget[]): Promise<void> {
    if (this.#reading === null && this.#options.clock.monotonic() < this.#notBefore) return
    this.#reading ??= this.#read(budgets()).finally(() => {
      this.#reading = null
    })
    await this.#reading
  }

  async #read(budgets: readonly KnownBudget[]): Promise<void> {
    const { permits, clock, log } = this.#options
    const startedAt = clock.monotonic()
    const asked = budgets.flatMap(({ key, budget }) => TIERS.map((tier) => ({ key, budget, tier })))
    try {
      const remaining = await permits.remaining(
        asked.map(({ key, budget, tier }) => ({ key: { ...key, tier }, ...budget.limitOf(tier) })),
      )
      for (const [index, { budget, tier }] of asked.entries())
        budget.observe(tier, remaining[index] ?? 0, startedAt)
    } catch (error) {
      log.warn(
        { err: error },
        'could not read how many calls the budgets leave; reporting the last known numbers',
      )
    }
    const now = clock.monotonic()
    this.#notBefore = now + Math.max(READ_INTERVAL_MS, PAUSE_FACTOR * (now - startedAt))
  }
}
