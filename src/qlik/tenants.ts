import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { QlikTenants } from '../revocation/qlik-tenant.ts'
import { latest } from '../revocation/waiting-for.ts'
import { shareOf } from './budget/learned-limit.ts'
import { type Ceiling, LearnedLimits } from './budget/learned-limits.ts'
import { openBudget } from './budget/open-budget.ts'
import type { Permits, Tier } from './budget/permit-log.ts'
import type { BudgetLimits, RateBudget } from './budget/rate-budget.ts'
import { SharedBlocks } from './budget/shared-blocks.ts'
import type { MadeCall, OpenTransport } from './http.ts'
import { openTenant } from './open-tenant.ts'
import { earliestOfAll } from './pool.ts'
import type { HttpQlikTenant } from './tenant.ts'
import type { ClientConfig, TenantConfig } from './tenant-config.ts'
import { TokenMemory } from './token-memory.ts'

/**
 * Up to this number of tenants, all are opened at startup and checked continuously. Beyond it, each is opened on
 * first use.
 */
const MAX_EAGER = 20
/**
 * A lazily opened tenant is closed after this time without use. Not shorter, because its access token is lost and the
 * next one costs one of 500 calls.
 */
const IDLE_MS = 10 * 60_000
const CHECK_INTERVAL_MS = 60_000

export interface TenantsOptions {
  permits: Permits
  clock: Clock
  log: Log
  onCall: (tenant: string, call: MadeCall) => void
  openTransport?: OpenTransport | undefined
}

/** How a reload changed the tenants. */
export interface TenantChanges {
  added: number
  removed: number
  changed: number
}

interface Opened {
  config: TenantConfig
  memory: TokenMemory
  tenant: HttpQlikTenant
}

/** The configured tenants, each with its own connection once used. */
export class Tenants implements QlikTenants {
  readonly #options: TenantsOptions
  readonly #opened = new Map<string, Opened>()
  /** Replaced or removed tenants; their users may finish what they started. */
  readonly #retired = new Set<Opened>()
  /** Budgets of all open and retired tenants, one per client: a tenant and its replacement share them. */
  readonly #budgets = new Map<string, RateBudget>()
  readonly #sharedBlocks: SharedBlocks | null
  readonly #learned: LearnedLimits
  #configs: ReadonlyMap<string, TenantConfig> = new Map()
  #names: readonly string[] = []
  #highestConcurrency = 1
  #cancelTimer: (() => void) | null = null
  #isStopped = false

  constructor(configs: readonly TenantConfig[], options: TenantsOptions) {
    this.#options = options
    const { permits, clock, log } = options
    this.#sharedBlocks = 'exchange' in permits ? new SharedBlocks({ permits, clock, log }) : null
    this.#learned = new LearnedLimits({ permits, clock, log, onChange: () => this.#applyLimits() })
    this.#configure(configs)
  }

  has(name: string): boolean {
    return this.#configs.has(name)
  }

  /** All tenant names, the default one first. */
  names(): readonly string[] {
    return this.#names
  }

  /** The highest limit of concurrent revoking calls of any tenant. */
  get highestConcurrency(): number {
    return this.#highestConcurrency
  }

  get(name: string): HttpQlikTenant | undefined {
    const config = this.#configs.get(name)
    if (!config) return undefined
    const known = this.#opened.get(name)
    const { tenant } = known ?? this.#open(config)
    // Callers receive this failure, and retry.
    if (!known) tenant.start().catch(() => {})
    tenant.noteUse()
    return tenant
  }

  ifOpen(name: string): HttpQlikTenant | undefined {
    return this.#opened.get(name)?.tenant
  }

  /** The open tenants. */
  *opened(): Iterable<HttpQlikTenant> {
    for (const { tenant } of this.#opened.values()) yield tenant
  }

  /**
   * End of Qlik's block of a tier for all of a tenant's clients, in any process that shares the store; ms since the
   * epoch, null if one of them is not blocked.
   */
  blockedUntil(name: string, tier: Tier): number | null {
    const config = this.#configs.get(name)
    if (!config) return null
    const clients = this.#opened.get(name)?.tenant.pool.useful ?? config.clients
    return earliestOfAll(clients.map((client) => this.#blockOf(config, client, tier)))
  }

  /** The same for one of the tenant's clients. */
  clientBlockedUntil(name: string, clientId: string, tier: Tier): number | null {
    const config = this.#configs.get(name)
    return config ? this.#blockOf(config, { clientId }, tier) : null
  }

  #blockOf(
    { origin }: TenantConfig,
    { clientId }: Pick<ClientConfig, 'clientId'>,
    tier: Tier,
  ): number | null {
    return latest(
      this.#budgets.get(budgetKey(origin, clientId))?.blockedUntil(tier) ?? null,
      this.#sharedBlocks?.until({ origin, client: clientId, tier }) ?? null,
    )
  }

  /** Opens all tenants if they are few, and resolves when their budgets are restored. */
  async start(): Promise<void> {
    await this.#learned.start()
    await Promise.all([this.#sharedBlocks?.start(), ...this.#openEagerly().map((tenant) => tenant.start())])
  }

  /**
   * Replaces the configuration. An unchanged tenant continues, with its access tokens and its budgets, and so does one of
   * several clients if only the list of clients changes: its runs use the new ones. Otherwise, a changed tenant is opened
   * again at its next use; the old one is closed once it is unused. Both share the clients' budgets, under the new limits
   * immediately.
   */
  replace(configs: readonly TenantConfig[]): TenantChanges {
    const before = this.#configs
    this.#configure(configs)
    const after = this.#configs
    for (const opened of this.#opened.values()) {
      const config = after.get(opened.config.name)
      if (isDeepStrictEqual(opened.config, config)) continue
      if (config && mayKeep(opened.config, config)) {
        opened.config = config
        opened.tenant.change(config.clients)
      } else this.#retire(opened)
    }
    this.#applyLimits()
    for (const tenant of this.#openEagerly()) tenant.start().catch(() => {})
    this.#watch()
    const kept = configs.filter(({ name }) => before.has(name))
    return {
      added: after.size - kept.length,
      removed: before.size - kept.length,
      changed: kept.filter((config) => !isDeepStrictEqual(config, before.get(config.name))).length,
    }
  }

  /** Aborts everything that waits or is under way, in all tenants. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelTimer?.()
    this.#sharedBlocks?.stop()
    this.#learned.stop()
    const all = [...this.#opened.values(), ...this.#retired]
    await Promise.all(all.map(({ tenant }) => tenant.stop()))
    await Promise.all([...this.#budgets.values()].map((budget) => budget.close()))
  }

  get #isEager(): boolean {
    return this.#configs.size <= MAX_EAGER
  }

  #configure(configs: readonly TenantConfig[]): void {
    this.#configs = new Map(configs.map((config) => [config.name, config]))
    this.#names = [...this.#configs.keys()]
    this.#highestConcurrency = configs.reduce(
      (most, { concurrency, clients }) => Math.max(most, concurrency * clients.length),
      1,
    )
  }

  #openEagerly(): HttpQlikTenant[] {
    if (!this.#isEager) return []
    const closed = [...this.#configs.values()].filter(({ name }) => !this.#opened.has(name))
    return closed.map((config) => this.#open(config).tenant)
  }

  #open(config: TenantConfig): Opened {
    const { clock, log, onCall, openTransport } = this.#options
    const { name } = config
    const memory = this.#memoryOf(config) ?? new TokenMemory(clock)
    const tenant = openTenant(config, {
      ...{ memory, clock, log, openTransport },
      budgetOf: (client) => this.#budgetOf(this.#configs.get(name) ?? config, client),
      onClientsChange: () => this.#applyLimits(),
      onClientClosed: ({ budget }) => {
        if (this.#forget(budget)) this.#orLog(name, budget.close())
      },
      onCall: (call) => onCall(name, call),
    })
    const opened = { config, memory, tenant }
    this.#opened.set(name, opened)
    this.#watch()
    // During shutdown, everything that is started there is aborted immediately.
    if (this.#isStopped) this.#close(opened)
    return opened
  }

  /** The token memory of the same tenant, for all its clients. It lives as long as one of the tenants that share it. */
  #memoryOf({ origin }: TenantConfig): TokenMemory | null {
    const all = [...this.#opened.values(), ...this.#retired]
    return all.find(({ config }) => config.origin === origin)?.memory ?? null
  }

  #retire(opened: Opened): void {
    this.#opened.delete(opened.config.name)
    this.#retired.add(opened)
    opened.tenant.rest()
  }

  /** Checks periodically for unused tenants, as long as there may be any. */
  #watch(): void {
    const hasLazy = !this.#isEager && this.#opened.size > 0
    if (this.#cancelTimer || this.#isStopped || !(hasLazy || this.#retired.size > 0)) return
    this.#cancelTimer = this.#options.clock.after(CHECK_INTERVAL_MS, () => {
      this.#cancelTimer = null
      this.#closeIdle()
      this.#watch()
    })
  }

  #closeIdle(): void {
    const isIdle = ({ tenant }: Opened) => tenant.idleMs() >= IDLE_MS
    const lazy = this.#isEager ? [] : [...this.#opened.values()]
    for (const opened of [...lazy, ...this.#retired].filter(isIdle)) {
      if (!this.#retired.delete(opened)) this.#opened.delete(opened.config.name)
      this.#close(opened)
    }
  }

  #close({ config, tenant }: Opened): void {
    const unused = tenant.pool.all.map(({ budget }) => budget).filter((budget) => this.#forget(budget))
    const closeAll = () => Promise.all(unused.map((budget) => budget.close()))
    this.#orLog(config.name, tenant.stop().then(closeAll))
  }

  /** Calls of a tier per window that all clients of a tenant may make together, if Qlik allows fewer than configured. */
  learnedLimit(name: string, tier: Tier): number | null {
    const config = this.#configs.get(name)
    return config ? this.#learned.limit({ origin: config.origin, tier }, this.#ceilingOf(config, tier)) : null
  }

  #ceilingOf(config: TenantConfig, tier: Tier): Ceiling {
    const { windowMs, tier1Limit, tier2Limit } = config
    return { windowMs, ceiling: (tier === 1 ? tier1Limit : tier2Limit) * this.#clientsInUse(config) }
  }

  #clientsInUse({ name, clients }: TenantConfig): number {
    return (this.#opened.get(name)?.tenant.pool.useful ?? clients).length
  }

  /** The configured limits of each client, or its share of the learned ones. */
  #limitsOf(config: TenantConfig): BudgetLimits {
    const { name, tier1Limit, tier2Limit } = config
    const clients = this.#clientsInUse(config)
    return {
      ...config,
      tier1Limit: shareOf(this.learnedLimit(name, 1), tier1Limit, clients),
      tier2Limit: shareOf(this.learnedLimit(name, 2), tier2Limit, clients),
    }
  }

  #applyLimits(): void {
    for (const config of this.#configs.values()) {
      const budgets = config.clients.flatMap(
        (client) => this.#budgets.get(budgetKey(config.origin, client.clientId)) ?? [],
      )
      if (budgets.length === 0) continue
      const limits = this.#limitsOf(config)
      for (const budget of budgets) budget.change(limits)
    }
  }

  #budgetOf(config: TenantConfig, client: ClientConfig): RateBudget {
    const { origin } = config
    const key = budgetKey(origin, client.clientId)
    const onEarlyRefusal = (tier: Tier, waitMs: number) => {
      const current = [...this.#configs.values()].find((one) => one.origin === origin) ?? config
      return this.#learned.lower({ origin, tier }, this.#ceilingOf(current, tier), waitMs)
    }
    const limits = { ...config, ...this.#limitsOf(config) }
    const budget = this.#budgets.get(key) ?? openBudget(limits, client, { ...this.#options, onEarlyRefusal })
    this.#budgets.set(key, budget)
    return budget
  }

  /** Forgets a budget unless a client uses it; returns whether it did. */
  #forget(budget: RateBudget): boolean {
    const tenants = [...this.#opened.values(), ...this.#retired]
    if (tenants.some(({ tenant }) => tenant.pool.all.some((client) => client.budget === budget))) return false
    for (const [key, known] of this.#budgets) if (known === budget) this.#budgets.delete(key)
    return true
  }

  #orLog(tenant: string, closing: Promise<unknown>): void {
    closing.catch((error) => {
      this.#options.log.warn({ err: error, tenant }, 'could not close a tenant cleanly')
    })
  }
}

/** Whether a tenant can continue with other clients: all other settings are the same, and there are or were several. */
function mayKeep(before: TenantConfig, after: TenantConfig): boolean {
  const { clients: earlier, ...old } = before
  const { clients: later, ...own } = after
  return earlier.length + later.length > 2 && isDeepStrictEqual(old, own)
}

/** Qlik counts by tenant and client, regardless of the tenant's configured name. */
function budgetKey(origin: string, clientId: string): string {
  return JSON.stringify([origin, clientId])
}
