import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { latest } from '../revocation/waiting-for.ts'
import { openBudget } from './budget/open-budget.ts'
import type { Permits, Tier } from './budget/permit-log.ts'
import type { RateBudget } from './budget/rate-budget.ts'
import { SharedBlocks } from './budget/shared-blocks.ts'
import type { MadeCall, OpenTransport } from './http.ts'
import { openTenant } from './open-tenant.ts'
import type { HttpQlikTenant } from './tenant.ts'
import type { TenantConfig } from './tenant-config.ts'
import { TokenMemory } from './token-memory.ts'

/** So many are opened at the start and looked at all the time; of more, each is opened when it is first used. */
const EAGER_AT_MOST = 20
/**
 * Unused for so long, a tenant that was opened lazily is closed. Its access token goes with it, and the next one costs
 * one of 500 calls: not shorter.
 */
const IDLE_MS = 10 * 60_000
const LOOK_EVERY_MS = 60_000

export interface TenantsOptions {
  permits: Permits
  clock: Clock
  log: Log
  onCall: (tenant: string, call: MadeCall) => void
  openTransport?: OpenTransport | undefined
}

/** What a reload has done to the tenants. */
export interface TenantChanges {
  added: number
  removed: number
  changed: number
}

interface Opened {
  config: TenantConfig
  budget: RateBudget
  memory: TokenMemory
  tenant: HttpQlikTenant
}

/** The tenants that are configured now, each with a connection of its own once it is used. */
export class Tenants {
  readonly #options: TenantsOptions
  readonly #opened = new Map<string, Opened>()
  /** Replaced or removed; whoever still uses them may end what was begun. */
  readonly #retired = new Set<Opened>()
  /** Those of all that are open or retired: a tenant and the one that it replaces draw from the same. */
  readonly #budgets = new Map<string, RateBudget>()
  readonly #sharedBlocks: SharedBlocks | null
  #configs: ReadonlyMap<string, TenantConfig> = new Map()
  #names: readonly string[] = []
  #highestConcurrency = 1
  #cancelTimer: (() => void) | null = null
  #isStopped = false

  constructor(configs: readonly TenantConfig[], options: TenantsOptions) {
    this.#options = options
    const { permits, clock, log } = options
    this.#sharedBlocks = 'exchange' in permits ? new SharedBlocks({ permits, clock, log }) : null
    this.#configure(configs)
  }

  has(name: string): boolean {
    return this.#configs.has(name)
  }

  /** The names of all, the default one first. */
  names(): readonly string[] {
    return this.#names
  }

  /** Revoking calls in flight of the tenant that may have the most. */
  get highestConcurrency(): number {
    return this.#highestConcurrency
  }

  /** A configured tenant, opened if it is not yet; to be asked for each time anew. */
  get(name: string): HttpQlikTenant | undefined {
    const config = this.#configs.get(name)
    if (!config) return undefined
    const known = this.#opened.get(name)
    const { tenant } = known ?? this.#open(config)
    // What fails here is told to whoever calls, and tried again.
    if (!known) tenant.start().catch(() => {})
    tenant.noteUse()
    return tenant
  }

  /** A tenant if it is open, without opening it. */
  ifOpen(name: string): HttpQlikTenant | undefined {
    return this.#opened.get(name)?.tenant
  }

  /** Those that are open. */
  *opened(): Iterable<HttpQlikTenant> {
    for (const { tenant } of this.#opened.values()) yield tenant
  }

  /**
   * Until when Qlik has blocked a tier for a tenant's client, in any process that shares the store; ms since the epoch, null
   * where it has not.
   */
  blockedUntil(name: string, tier: Tier): number | null {
    const config = this.#configs.get(name)
    if (!config) return null
    const { origin, clientId: client } = config
    return latest(
      this.#budgets.get(budgetKey(config))?.blockedUntil(tier) ?? null,
      this.#sharedBlocks?.until({ origin, client, tier }) ?? null,
    )
  }

  /** Opens all if they are few, and resolves when their budgets are read back. */
  async start(): Promise<void> {
    await Promise.all([this.#sharedBlocks?.start(), ...this.#openEagerly().map((tenant) => tenant.start())])
  }

  /**
   * From now on these. One that is as before goes on, with its access token and its budget. One that has changed is
   * opened again at its next use; the old one ends when nobody uses it any more. Both draw from one budget, by the new
   * limits at once.
   */
  replace(configs: readonly TenantConfig[]): TenantChanges {
    const before = this.#configs
    this.#configure(configs)
    const after = this.#configs
    for (const opened of this.#opened.values()) {
      if (!isDeepStrictEqual(opened.config, after.get(opened.config.name))) this.#retire(opened)
    }
    for (const config of configs) this.#budgets.get(budgetKey(config))?.change(config)
    for (const tenant of this.#openEagerly()) tenant.start().catch(() => {})
    this.#watch()
    const kept = configs.filter(({ name }) => before.has(name))
    return {
      added: after.size - kept.length,
      removed: before.size - kept.length,
      changed: kept.filter((config) => !isDeepStrictEqual(config, before.get(config.name))).length,
    }
  }

  /** Ends everything that waits or is under way, in all of them. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelTimer?.()
    this.#sharedBlocks?.stop()
    const all = [...this.#opened.values(), ...this.#retired]
    await Promise.all(all.map(({ tenant }) => tenant.stop()))
    await Promise.all([...this.#budgets.values()].map((budget) => budget.close()))
  }

  get #isEager(): boolean {
    return this.#configs.size <= EAGER_AT_MOST
  }

  #configure(configs: readonly TenantConfig[]): void {
    this.#configs = new Map(configs.map((config) => [config.name, config]))
    this.#names = [...this.#configs.keys()]
    this.#highestConcurrency = configs.reduce((most, { concurrency }) => Math.max(most, concurrency), 1)
  }

  #openEagerly(): HttpQlikTenant[] {
    if (!this.#isEager) return []
    const closed = [...this.#configs.values()].filter(({ name }) => !this.#opened.has(name))
    return closed.map((config) => this.#open(config).tenant)
  }

  #open(config: TenantConfig): Opened {
    const { clock, log, onCall, openTransport } = this.#options
    const { name } = config
    const budget = this.#budgets.get(budgetKey(config)) ?? openBudget(config, this.#options)
    this.#budgets.set(budgetKey(config), budget)
    const memory = this.#memoryOf(config) ?? new TokenMemory(clock)
    const shared = { budget, memory, clock, log, openTransport }
    const tenant = openTenant(config, { ...shared, onCall: (call) => onCall(name, call) })
    const opened = { config, budget, memory, tenant }
    this.#opened.set(name, opened)
    this.#watch()
    // While shutting down: whatever is begun there ends at once.
    if (this.#isStopped) this.#close(opened)
    return opened
  }

  /** What was done to the tokens of the same tenant, by whichever client. It lives as long as one of those that share it. */
  #memoryOf({ origin }: TenantConfig): TokenMemory | null {
    const all = [...this.#opened.values(), ...this.#retired]
    return all.find(({ config }) => config.origin === origin)?.memory ?? null
  }

  #retire(opened: Opened): void {
    this.#opened.delete(opened.config.name)
    this.#retired.add(opened)
    opened.tenant.rest()
  }

  /** Looks from time to time for those that are not used any more, as long as there may be any. */
  #watch(): void {
    const hasLazy = !this.#isEager && this.#opened.size > 0
    if (this.#cancelTimer || this.#isStopped || !(hasLazy || this.#retired.size > 0)) return
    this.#cancelTimer = this.#options.clock.after(LOOK_EVERY_MS, () => {
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

  #close({ config, tenant, budget }: Opened): void {
    const isShared = [...this.#opened.values(), ...this.#retired].some((other) => other.budget === budget)
    if (!isShared) this.#budgets.delete(budgetKey(config))
    const closing = tenant.stop().then(() => (isShared ? undefined : budget.close()))
    closing.catch((error) => {
      this.#options.log.warn({ err: error, tenant: config.name }, 'a tenant could not be closed in order')
    })
  }
}

/** Qlik counts by tenant and client, whatever the tenant is called here. */
function budgetKey({ origin, clientId }: Pick<TenantConfig, 'origin' | 'clientId'>): string {
  return JSON.stringify([origin, clientId])
}
