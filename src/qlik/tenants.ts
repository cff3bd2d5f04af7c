import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { QlikTenants } from '../revocation/qlik-tenant.ts'
import { ClientBudgets } from './budget/client-budgets.ts'
import type { Permits, Tier } from './budget/permit-log.ts'
import type { RateBudget } from './budget/rate-budget.ts'
import type { MadeCall, OpenTransport } from './http.ts'
import { openTenant } from './open-tenant.ts'
import { type Opened, OpenedTenants } from './opened-tenants.ts'
import { earliestOfAll } from './pool.ts'
import type { HttpQlikTenant } from './tenant.ts'
import type { TenantConfig } from './tenant-config.ts'
import {
  changesBetween,
  mayKeep,
  type TenantChanges,
  type TenantConfigs,
  tenantConfigs,
} from './tenant-configs.ts'
import { TokenMemory } from './token-memory.ts'

/**
 * Up to this number of tenants, all are opened at startup and checked continuously. Beyond it, each is opened on
 * first use.
 */
const MAX_EAGER = 20

export interface TenantsOptions {
  permits: Permits
  clock: Clock
  log: Log
  onCall: (tenant: string, call: MadeCall) => void
  openTransport?: OpenTransport | undefined
}

/** The configured tenants, each with its own connection once used. */
export class Tenants implements QlikTenants {
  readonly #options: TenantsOptions
  readonly #opened: OpenedTenants
  /** Budgets of all open and retired tenants. */
  readonly #budgets: ClientBudgets
  #configs: TenantConfigs
  #isStopped = false

  constructor(configs: readonly TenantConfig[], options: TenantsOptions) {
    this.#options = options
    this.#configs = tenantConfigs(configs)
    this.#opened = new OpenedTenants({
      clock: options.clock,
      isEager: () => this.#isEager,
      onIdle: (opened) => this.#close(opened),
    })
    this.#budgets = new ClientBudgets({
      ...options,
      configs: () => this.#configs.byName.values(),
      clientsInUse: (config) => this.#clientsInUse(config).length,
      isUsed: (budget) => this.#opened.all.some(({ tenant }) => budgetsOf(tenant).includes(budget)),
    })
  }

  has(name: string): boolean {
    return this.#configs.byName.has(name)
  }

  /** All tenant names, the default one first. */
  names(): readonly string[] {
    return this.#configs.names
  }

  /** The highest limit of concurrent revoking calls of any tenant. */
  get highestConcurrency(): number {
    return this.#configs.highestConcurrency
  }

  get(name: string): HttpQlikTenant | undefined {
    const config = this.#configs.byName.get(name)
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

  configOf(name: string): TenantConfig | undefined {
    return this.#configs.byName.get(name)
  }

  /** The open tenants. */
  *opened(): Iterable<HttpQlikTenant> {
    for (const { tenant } of this.#opened.current) yield tenant
  }

  /**
   * End of Qlik's block of a tier for all of a tenant's clients, in any process that shares the store; ms since the
   * epoch, null if one of them is not blocked.
   */
  blockedUntil(name: string, tier: Tier): number | null {
    const config = this.#configs.byName.get(name)
    if (!config) return null
    const clients = this.#clientsInUse(config)
    return earliestOfAll(clients.map((client) => this.#budgets.blockedUntil(config, client, tier)))
  }

  /** Reads how many calls all processes leave, for the budgets in use. Never rejects. */
  refreshBudgets(): Promise<void> {
    return this.#budgets.refresh()
  }

  /** End of Qlik's block of a tier for one of the tenant's clients; see `blockedUntil`. */
  clientBlockedUntil(name: string, clientId: string, tier: Tier): number | null {
    const config = this.#configs.byName.get(name)
    return config ? this.#budgets.blockedUntil(config, { clientId }, tier) : null
  }

  /** Calls of a tier per window that all clients of a tenant may make together, if Qlik allows fewer than configured. */
  learnedLimit(name: string, tier: Tier): number | null {
    const config = this.#configs.byName.get(name)
    return config ? this.#budgets.learnedLimit(config, tier) : null
  }

  /** Calls of a tier per minute that each client may make, if Qlik evaluates each minute instead of the window. */
  minuteLimit(name: string, tier: Tier): number | null {
    const config = this.#configs.byName.get(name)
    return config ? this.#budgets.minuteLimit(config, tier) : null
  }

  /** Opens all tenants if they are few, and resolves when their budgets are restored. */
  async start(): Promise<void> {
    await this.#budgets.start()
    await Promise.all(this.#openEagerly().map((tenant) => tenant.start()))
  }

  /**
   * Replaces the configuration. An unchanged tenant continues, with its access tokens and its budgets, and so does one of
   * several clients if only the list of clients changes: its runs use the new ones. Otherwise, a changed tenant is opened
   * again at its next use; the old one is closed once it is unused. Both share the clients' budgets, under the new limits
   * immediately.
   */
  replace(configs: readonly TenantConfig[]): TenantChanges {
    const before = this.#configs
    this.#configs = tenantConfigs(configs)
    for (const opened of [...this.#opened.current]) {
      const config = this.#configs.byName.get(opened.config.name)
      if (isDeepStrictEqual(opened.config, config)) continue
      if (config && mayKeep(opened.config, config)) {
        opened.config = config
        opened.tenant.change(config.clients)
        continue
      }
      this.#opened.retire(opened)
    }
    this.#budgets.applyLimits()
    for (const tenant of this.#openEagerly()) tenant.start().catch(() => {})
    this.#opened.watch()
    return changesBetween(before, this.#configs)
  }

  /** Aborts everything that waits or is under way, in all tenants. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#opened.stop()
    this.#budgets.stop()
    await Promise.all(this.#opened.all.map(({ tenant }) => tenant.stop()))
    await this.#budgets.close()
  }

  get #isEager(): boolean {
    return this.#configs.byName.size <= MAX_EAGER
  }

  #openEagerly(): HttpQlikTenant[] {
    if (!this.#isEager) return []
    const closed = [...this.#configs.byName.values()].filter(({ name }) => !this.#opened.get(name))
    return closed.map((config) => this.#open(config).tenant)
  }

  #open(config: TenantConfig): Opened {
    const { clock, log, onCall, openTransport } = this.#options
    const { name, origin } = config
    // Of the same tenant, for all its clients. It lives as long as one of the tenants that share it.
    const known = this.#opened.all.find(({ config }) => config.origin === origin)?.memory
    const memory = known ?? new TokenMemory(clock)
    const tenant = openTenant(config, {
      ...{ memory, clock, log, openTransport },
      budgetOf: (client) => this.#budgets.of(this.#configs.byName.get(name) ?? config, client),
      onClientsChange: () => this.#budgets.applyLimits(origin),
      onClientClosed: ({ budget }) => {
        for (const unused of this.#budgets.forgetUnused([budget])) this.#orLog(name, unused.close())
      },
      onCall: (call) => onCall(name, call),
    })
    const opened = { config, memory, tenant }
    this.#opened.add(opened)
    // During shutdown, everything that is started there is aborted immediately.
    if (this.#isStopped) this.#close(opened)
    return opened
  }

  #close({ config, tenant }: Opened): void {
    const unused = this.#budgets.forgetUnused(budgetsOf(tenant))
    const closeAll = () => Promise.all(unused.map((budget) => budget.close()))
    this.#orLog(config.name, tenant.stop().then(closeAll))
  }

  /** The clients that make a tenant's calls, as far as known. */
  #clientsInUse({ name, clients }: TenantConfig): readonly { clientId: string }[] {
    return this.#opened.get(name)?.tenant.pool.useful ?? clients
  }

  #orLog(tenant: string, closing: Promise<unknown>): void {
    closing.catch((error) => {
      this.#options.log.warn({ err: error, tenant }, 'could not close a tenant cleanly')
    })
  }
}

/** Of all clients, also removed ones. */
function budgetsOf({ pool }: HttpQlikTenant): RateBudget[] {
  return pool.all.map(({ budget }) => budget)
}
