import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { latest } from '../../base/times.ts'
import type { ClientConfig, TenantConfig } from '../tenant-config.ts'
import { shareOf } from './learned-limit.ts'
import { type Ceiling, LearnedLimits, type LimitedTier } from './learned-limits.ts'
import { type EarlyRefusal, fitsMinute, perMinute, type WindowLimit } from './minute-limit.ts'
import { type OpenBudgetOptions, openBudget } from './open-budget.ts'
import { type BudgetKey, type Permits, TIERS, type Tier } from './permit-log.ts'
import type { BudgetLimits, RateBudget } from './rate-budget.ts'
import { SharedBlocks } from './shared-blocks.ts'
import { type KnownBudget, SharedRemaining } from './shared-remaining.ts'

export interface ClientBudgetsOptions {
  permits: Permits
  clock: Clock
  log: Log
  /** The configured tenants. */
  configs: () => Iterable<TenantConfig>
  /** Number of clients that make a tenant's calls. */
  clientsInUse: (config: TenantConfig) => number
  /** Whether a client may use the budget. */
  isUsed: (budget: RateBudget) => boolean
}

/**
 * The budgets of all OAuth clients, under the configured limits or the client's share of those learned from refusals. A
 * tenant and its replacement share them.
 */
export class ClientBudgets {
  readonly #options: ClientBudgetsOptions
  readonly #budgets = new Map<string, RateBudget>()
  readonly #sharedBlocks: SharedBlocks | null
  readonly #sharedRemaining: SharedRemaining | null
  readonly #learned: LearnedLimits

  constructor(options: ClientBudgetsOptions) {
    this.#options = options
    const { permits, clock, log } = options
    this.#sharedBlocks = 'exchange' in permits ? new SharedBlocks({ permits, clock, log }) : null
    const { remaining } = permits
    this.#sharedRemaining = remaining
      ? new SharedRemaining({ permits: { remaining: remaining.bind(permits) }, clock, log })
      : null
    this.#learned = new LearnedLimits({
      ...{ permits, clock, log },
      lastAcceptedStart: (of) => this.#lastAcceptedStart(of),
      onChange: (origin) => this.applyLimits(origin),
    })
  }

  /** Reads what other processes have learned. */
  async start(): Promise<void> {
    await Promise.all([this.#learned.start(), this.#sharedBlocks?.start()])
  }

  /** Reads what all processes leave in the open budgets, if they share them. Never rejects. */
  async refresh(): Promise<void> {
    await this.#sharedRemaining?.refresh(() => this.#openBudgets())
  }

  /** Stops reading. The budgets can still be used. */
  stop(): void {
    this.#sharedBlocks?.stop()
    this.#learned.stop()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#budgets.values()].map((budget) => budget.close()))
  }

  /** The budget of a tenant's client, opened if it is not. */
  of(config: TenantConfig, client: ClientConfig): RateBudget {
    const key = budgetKey(config, client)
    const budget = this.#budgets.get(key) ?? this.#open(config, client)
    this.#budgets.set(key, budget)
    return budget
  }

  /** Forgets those of the budgets that no client uses, and returns them to be closed. */
  forgetUnused(budgets: readonly RateBudget[]): RateBudget[] {
    const unused = budgets.filter((budget) => !this.#options.isUsed(budget))
    for (const [key, known] of this.#budgets) if (unused.includes(known)) this.#budgets.delete(key)
    return unused
  }

  /** End of Qlik's block of a tier for a client, in any process that shares the store; ms since the epoch. */
  blockedUntil(config: TenantConfig, client: Pick<ClientConfig, 'clientId'>, tier: Tier): number | null {
    return latest(
      this.#budgets.get(budgetKey(config, client))?.blockedUntil(tier) ?? null,
      this.#sharedBlocks?.until({ origin: config.origin, client: client.clientId, tier }) ?? null,
    )
  }

  /** Calls of a tier per window that all clients of a tenant may make together, if Qlik allows fewer than configured. */
  learnedLimit(config: TenantConfig, tier: Tier): number | null {
    return this.#learned.limit({ origin: config.origin, tier }, this.#ceilingOf(config, tier))
  }

  /** Calls of a tier per minute that each client may make, if Qlik evaluates each minute instead of the window. */
  minuteLimit(config: TenantConfig, tier: Tier): number | null {
    const isByMinute = this.#learned.isByMinute({ origin: config.origin, tier })
    return isByMinute ? perMinute(windowOf(config, tier)).limit : null
  }

  /** Applies the current limits to the budgets of a tenant; by default to all. */
  applyLimits(origin?: string): void {
    for (const config of this.#options.configs()) {
      if (origin !== undefined && config.origin !== origin) continue
      const budgets = this.#openOf(config)
      if (budgets.length === 0) continue
      const limits = this.#limitsOf(config)
      for (const budget of budgets) budget.change(limits)
    }
  }

  #openBudgets(): KnownBudget[] {
    return [...this.#options.configs()].flatMap((config) =>
      config.clients.flatMap((client) => {
        const budget = this.#budgets.get(budgetKey(config, client))
        const key = { origin: config.origin, tenant: config.name, client: client.clientId }
        return budget ? [{ key, budget }] : []
      }),
    )
  }

  #open(config: TenantConfig, client: ClientConfig): RateBudget {
    const { configs } = this.#options
    const onEarlyRefusal: OpenBudgetOptions['onEarlyRefusal'] = (key, refusal) => {
      const current = [...configs()].find((one) => one.origin === config.origin) ?? config
      this.#learn(current, key, refusal)
    }
    const limits = { ...config, ...this.#limitsOf(config) }
    return openBudget(limits, client, { ...this.#options, onEarlyRefusal })
  }

  /** Learns what an unexpected refusal shows: the limit of each minute, or a lower limit of all clients together. */
  async #learn(config: TenantConfig, key: BudgetKey, refusal: EarlyRefusal & { waitMs: number }) {
    const { permits, log } = this.#options
    const { client, tier } = key
    const window = windowOf(config, tier)
    const minute = perMinute(window)
    const open = this.#openOf(config)
    const lastAcceptedStart = this.#lastAcceptedStart(key)
    let { started } = refusal
    if ('recentCalls' in permits && permits.recentCalls)
      started = await permits.recentCalls(key, minute.windowMs).then(
        (all) => Math.max(all, started),
        () => started,
      )
    // Another refusal of the same event may have been evaluated while this one waited for the store.
    if (!this.#learned.isNewEvent(key, lastAcceptedStart)) return
    const peaks = open.map((budget) => budget.recent(tier).mostAccepted)
    const evidence = { ...refusal, started, mostAccepted: Math.max(refusal.mostAccepted, ...peaks) }
    const details = { tenant: config.name, client, tier }
    if (!this.#learned.isByMinute(key) && fitsMinute(evidence, window)) {
      this.#learned.limitByMinute(key, minute.limit, refusal.waitMs)
      log.warn(
        { ...details, limit: minute.limit },
        'Qlik Cloud applies its rate limit to each minute; calls are spread over the window',
      )
      return
    }
    const limit = this.#learned.lower(key, this.#ceilingOf(config, tier), refusal.waitMs)
    log.warn(
      { ...details, limit },
      "Qlik Cloud refused a call although the client's limit was not reached; the tenant's clients make fewer calls per window",
    )
  }

  #lastAcceptedStart({ origin, tier }: LimitedTier): number {
    const configs = [...this.#options.configs()].filter((config) => config.origin === origin)
    const budgets = configs.flatMap((config) => this.#openOf(config))
    return Math.max(...budgets.map((budget) => budget.lastAcceptedStart(tier)))
  }

  #openOf(config: TenantConfig): RateBudget[] {
    return config.clients.flatMap((client) => this.#budgets.get(budgetKey(config, client)) ?? [])
  }

  /** The configured limits of each client, or its share of the learned ones. */
  #limitsOf(config: TenantConfig): BudgetLimits {
    const { tier1Limit, tier2Limit } = config
    const clients = this.#options.clientsInUse(config)
    const byMinute = TIERS.filter((tier) => this.minuteLimit(config, tier) !== null)
    return {
      ...config,
      byMinute,
      tier1Limit: shareOf(this.learnedLimit(config, 1), tier1Limit, clients),
      tier2Limit: shareOf(this.learnedLimit(config, 2), tier2Limit, clients),
    }
  }

  #ceilingOf(config: TenantConfig, tier: Tier): Ceiling {
    const { limit, windowMs } = windowOf(config, tier)
    return { windowMs, ceiling: limit * this.#options.clientsInUse(config) }
  }
}

function windowOf({ tier1Limit, tier2Limit, windowMs }: TenantConfig, tier: Tier): WindowLimit {
  return { limit: tier === 1 ? tier1Limit : tier2Limit, windowMs }
}

/** Qlik counts by tenant and client, regardless of the tenant's configured name. */
function budgetKey(
  { origin }: Pick<TenantConfig, 'origin'>,
  { clientId }: Pick<ClientConfig, 'clientId'>,
): string {
  return JSON.stringify([origin, clientId])
}
