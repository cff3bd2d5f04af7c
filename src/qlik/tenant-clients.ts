import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../base/clock.ts'
import type { ClientPower, QlikFailure } from '../revocation/qlik-tenant.ts'
import type { RateBudget } from './budget/rate-budget.ts'
import { Calls } from './calls.ts'
import { QlikClient } from './client.ts'
import { ClientPool } from './client-pool.ts'
import type { QlikHttp } from './http.ts'
import { PoolClient } from './pool-client.ts'
import type { OwnPower } from './power.ts'
import type { ClientConfig } from './tenant-config.ts'

const CHECK_INTERVAL_MS = 30_000
/** A client of several is not used while its scope is too narrow, so a check costs nothing that others need. */
const LONGEST_NARROW_MS_OF_SEVERAL = 60_000

export interface TenantClientsOptions {
  clients: readonly ClientConfig[]
  http: QlikHttp
  /** The budget of a client, which it may share with a client of another tenant object. */
  budgetOf: (client: ClientConfig) => RateBudget
  clock: Clock
  /** Aborts all calls. */
  lifetime: AbortSignal
  onPowerChange: (clientId: string, power: OwnPower) => void
  /** Called with a description of the refused credentials when that changes; null if none is refused. */
  onRefusalChange: (clientId: string, refusal: string | null) => void
  /** Called when one of several clients is taken out, and with null when it is used again. */
  onOutChange: (clientId: string, refusal: QlikFailure | null) => void
  onBackgroundFailure: (clientId: string, error: unknown) => void
  /** Called when the set of clients that make calls may have changed. */
  onClientsChange?: () => void
  /** Called when a client that `change` removed is closed. */
  onClientClosed?: (client: PoolClient) => void
}

/** The OAuth clients of a tenant, each with its own access token, budget and power, which is checked periodically. */
export class TenantClients {
  readonly pool: ClientPool
  readonly #options: TenantClientsOptions
  readonly calls: Calls
  #isResting = false
  #cancelTimer = () => {}

  constructor(options: TenantClientsOptions) {
    const { clients, clock, lifetime, onOutChange, onClientsChange, onClientClosed = () => {} } = options
    this.#options = options
    this.pool = new ClientPool({
      clock,
      onOutChange: ({ clientId }, refusal) => {
        onOutChange(clientId, refusal)
        onClientsChange?.()
      },
      onClosed: onClientClosed,
    })
    this.calls = new Calls({ pool: this.pool, clock, lifetime })
    this.pool.replace(this.#openClients(clients))
  }

  /** Replaces the clients. Calls that wait use the new ones; clients with the same configuration stay. */
  change(clients: readonly ClientConfig[]): void {
    this.pool.replace(this.#openClients(clients))
    for (const client of this.pool.clients) {
      if (client.power === 'not-checked') this.#check(client)
    }
  }

  /**
   * Checks the clients' power in the background, now and then periodically; resolves when the budgets are restored.
   * Calls can be made immediately: they wait for the restore, and retry it if it fails.
   */
  async start(): Promise<void> {
    this.#checkPeriodically()
    await Promise.all(this.pool.clients.map(({ budget }) => budget.restore()))
  }

  /** Stops the background checks; calls continue. */
  rest(): void {
    this.#isResting = true
    this.#cancelTimer()
  }

  close(): void {
    this.rest()
    this.pool.close()
  }

  /** The power of one client, or of the most powerful one. */
  async power(clientId?: string, maxAgeMs?: number): Promise<ClientPower> {
    const only = clientId === undefined ? undefined : this.pool.find(clientId)
    const found = only
      ? { client: only, power: await this.pool.powerOf(only, maxAgeMs) }
      : await this.pool.bestPower(maxAgeMs)
    const { power, evidence, scope, ownUserId } = found.power
    const known = this.pool.clients.flatMap(({ monitor }) => monitor.known?.ownUserId ?? [])
    const ownUserIds = new Set([ownUserId, ...known])
    return { power, evidence, scope, ownUserId, ownUserIds, client: found.client.clientId }
  }

  /** The clients with these configurations: those that are open already, and new ones. */
  #openClients(configs: readonly ClientConfig[]): PoolClient[] {
    const open = this.pool.all
    const longestNarrowMs = configs.length > 1 ? LONGEST_NARROW_MS_OF_SEVERAL : undefined
    return configs.map(
      (config) =>
        open.find((client) => isDeepStrictEqual(client.config, config)) ??
        this.#openClient(config, longestNarrowMs),
    )
  }

  #openClient(config: ClientConfig, longestNarrowMs: number | undefined): PoolClient {
    const { http, clock, budgetOf, onPowerChange, onRefusalChange, onBackgroundFailure } = this.#options
    const { clientId } = config
    const call = { urgency: 0, signal: this.#options.lifetime, client: clientId }
    const client = new QlikClient(http, config)
    return new PoolClient({
      config,
      client,
      budget: budgetOf(config),
      clock,
      longestNarrowMs,
      requestAccessToken: (own, credential) =>
        this.calls.requestAccessToken(own, credential, (...of) => client.requestAccessToken(...of)),
      ownUser: async () => {
        const me = await this.calls.ask(call, ({ grant }) => client.me(grant.value, call.signal))
        if (!('path' in me)) return me
        return this.calls.ask(call, ({ grant }) => client.user(grant.value, me.path, call.signal))
      },
      visibleOwners: () =>
        this.calls.ask(call, ({ grant }) =>
          client.listTokens(grant.value, { userId: null, page: null }, call.signal),
        ),
      onPowerChange: (power) => {
        onPowerChange(clientId, power)
        this.pool.refresh()
        this.#options.onClientsChange?.()
      },
      onRefusalChange: (refusal) => onRefusalChange(clientId, refusal),
      onBackgroundFailure: (error) => onBackgroundFailure(clientId, error),
    })
  }

  async #checkPeriodically(): Promise<void> {
    await Promise.all(this.pool.clients.map((client) => this.#check(client)))
    if (this.#options.lifetime.aborted || this.#isResting) return
    this.#cancelTimer = this.#options.clock.after(CHECK_INTERVAL_MS, () => this.#checkPeriodically())
  }

  /** Never rejects. A refused client is checked by the pool. */
  async #check(client: PoolClient): Promise<void> {
    if (client.refusedAt !== null) return
    try {
      await this.pool.powerOf(client)
      client.noteCheck(null)
    } catch (error) {
      if (this.#options.lifetime.aborted) return
      client.noteCheck(error)
      this.#options.onBackgroundFailure(client.clientId, error)
    }
  }
}
