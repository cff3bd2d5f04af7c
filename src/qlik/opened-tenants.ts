import type { Clock } from '../base/clock.ts'
import type { HttpQlikTenant } from './tenant.ts'
import type { TenantConfig } from './tenant-config.ts'
import type { TokenMemory } from './token-memory.ts'

/**
 * A lazily opened tenant is closed after this time without use. Not shorter, because its access token is lost and the
 * next one costs one of 500 calls.
 */
const IDLE_MS = 10 * 60_000
const CHECK_INTERVAL_MS = 60_000

export interface Opened {
  config: TenantConfig
  memory: TokenMemory
  tenant: HttpQlikTenant
}

export interface OpenedTenantsOptions {
  clock: Clock
  /** Whether all tenants stay open, even without use. */
  isEager: () => boolean
  /** Called when a tenant was removed because it is unused. */
  onIdle: (opened: Opened) => void
}

/** The tenants that are open. Removes those that are unused. */
export class OpenedTenants {
  readonly #options: OpenedTenantsOptions
  readonly #current = new Map<string, Opened>()
  /** Tenants that a reload replaced or removed. */
  readonly #retired = new Set<Opened>()
  #cancelTimer: (() => void) | null = null
  #isStopped = false

  constructor(options: OpenedTenantsOptions) {
    this.#options = options
  }

  /** A tenant that is not retired. */
  get(name: string): Opened | undefined {
    return this.#current.get(name)
  }

  /** The tenants that are not retired. */
  get current(): Iterable<Opened> {
    return this.#current.values()
  }

  /** Also the retired ones. */
  get all(): Opened[] {
    return [...this.#current.values(), ...this.#retired]
  }

  add(opened: Opened): void {
    this.#current.set(opened.config.name, opened)
    this.watch()
  }

  /** Removes a tenant once it is unused. Until then, runs finish what they started. */
  retire(opened: Opened): void {
    this.#current.delete(opened.config.name)
    this.#retired.add(opened)
    opened.tenant.rest()
  }

  /** Checks periodically for unused tenants, as long as there may be any. */
  watch(): void {
    const hasLazy = !this.#options.isEager() && this.#current.size > 0
    if (this.#cancelTimer || this.#isStopped || !(hasLazy || this.#retired.size > 0)) return
    this.#cancelTimer = this.#options.clock.after(CHECK_INTERVAL_MS, () => {
      this.#cancelTimer = null
      this.#removeIdle()
      this.watch()
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelTimer?.()
  }

  #removeIdle(): void {
    const isIdle = ({ tenant }: Opened) => tenant.idleMs() >= IDLE_MS
    const lazy = this.#options.isEager() ? [] : [...this.#current.values()]
    for (const opened of [...lazy, ...this.#retired].filter(isIdle)) {
      if (!this.#retired.delete(opened)) this.#current.delete(opened.config.name)
      this.#options.onIdle(opened)
    }
  }
}
