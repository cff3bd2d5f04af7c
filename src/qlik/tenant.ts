import { setMaxListeners } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../base/clock.ts'
import type { Interval } from '../base/interval.ts'
import { momentOf } from '../base/moment.ts'
import type {
  CallOptions,
  ClientPower,
  Gone,
  OwnersPage,
  PowerOptions,
  QlikFailure,
  QlikTenant,
  TokenFate,
  TokenPage,
  UserMatch,
} from '../revocation/qlik-tenant.ts'
import type { UserReference } from '../revocation/signal.ts'
import { abortable } from './abortable.ts'
import type { RateBudget } from './budget/rate-budget.ts'
import { type Caller, Calls } from './calls.ts'
import { QlikClient } from './client.ts'
import { ClientPool } from './client-pool.ts'
import type { QlikHttp } from './http.ts'
import { type ClientState, PoolClient } from './pool-client.ts'
import type { Asked, OwnPower } from './power.ts'
import type { ClientConfig } from './tenant-config.ts'
import type { TokenMemory } from './token-memory.ts'
import { UserLookups } from './user-lookups.ts'

const CHECK_INTERVAL_MS = 30_000
/** A client of several is not used while its scope is too narrow, so a check costs nothing that others need. */
const LONGEST_NARROW_MS_OF_SEVERAL = 60_000

export interface TenantOptions {
  name: string
  /** Concurrent revoking calls of each client. */
  concurrency: number
  clients: readonly ClientConfig[]
  http: QlikHttp
  /** The budget of a client, which it may share with a client of another tenant object. */
  budgetOf: (client: ClientConfig) => RateBudget
  clock: Clock
  memory: TokenMemory
  onPowerChange: (clientId: string, power: OwnPower) => void
  /** Called with a description of the refused credentials when that changes; null if none is refused. */
  onRefusalChange: (clientId: string, refusal: string | null) => void
  /** Called when one of several clients is taken out, and with null when it is used again. */
  onOutChange: (clientId: string, refusal: QlikFailure | null) => void
  onBackgroundFailure: (clientId: string, error: unknown) => void
  /** Called when other clients make the calls than before. */
  onClientsChange?: () => void
  /** Called when a client that `change` removed is closed. */
  onClientClosed?: (client: PoolClient) => void
}

/** A tenant's state, for operators. */
export interface TenantState {
  clients: readonly ClientState[]
  clockOffsetMs: number
}

/**
 * One Qlik Cloud tenant. Every call is made by one of its clients, has a permit from the client's budget and a valid
 * access token, and is repeated only if the retry policy says so.
 */
export class HttpQlikTenant implements QlikTenant {
  readonly name: string
  readonly pool: ClientPool
  readonly #options: TenantOptions
  readonly #calls: Calls
  readonly #lookups: UserLookups
  readonly #lifetime = new AbortController()
  #isResting = false
  #users = 0
  #usedAt: number
  #cancelTimer = () => {}

  constructor(options: TenantOptions) {
    const {
      name,
      clients,
      clock,
      onOutChange,
      onClientsChange = () => {},
      onClientClosed = () => {},
    } = options
    this.name = name
    this.#usedAt = clock.monotonic()
    // Every delete under way adds a listener.
    setMaxListeners(0, this.#lifetime.signal)
    this.#options = options
    this.pool = new ClientPool({
      clock,
      onOutChange: ({ clientId }, refusal) => {
        onOutChange(clientId, refusal)
        onClientsChange()
      },
      onClosed: onClientClosed,
    })
    this.#calls = new Calls({ pool: this.pool, clock, lifetime: this.#lifetime.signal })
    this.#lookups = new UserLookups((users, urgency) => {
      const shared = { ...this.#own, urgency }
      return this.#calls.make(1, shared, ({ client, grant }) =>
        client.client.findUsers(grant.value, users, shared.signal),
      )
    }, clock)
    this.pool.replace(this.#openClients(clients))
  }

  get concurrency(): number {
    return this.#options.concurrency * this.pool.clients.length
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

  /** Marks the tenant as in use: calls may follow soon. */
  noteUse(): void {
    this.#usedAt = this.#options.clock.monotonic()
  }

  /** How long the tenant has been unused, in ms; 0 while a caller waits. Its own background checks do not count. */
  idleMs(): number {
    return this.#users > 0 ? 0 : this.#options.clock.monotonic() - this.#usedAt
  }

  /** Aborts everything that waits or is under way. */
  async stop(): Promise<void> {
    this.rest()
    this.pool.close()
    this.#lifetime.abort()
    await this.#options.http.close()
  }

  get state(): TenantState {
    return {
      clients: this.pool.clients.map(({ state }) => state),
      clockOffsetMs: this.#options.http.wallOffsetMs,
    }
  }

  clockOffset(): Interval | null {
    return this.#options.http.clockOffset
  }

  power({ signal, maxAgeMs, client }: PowerOptions): Promise<ClientPower> {
    return this.#inUse(() => abortable(this.#power(client, maxAgeMs), signal))
  }

  async #power(clientId: string | undefined, maxAgeMs: number | undefined): Promise<ClientPower> {
    const only = clientId === undefined ? undefined : this.pool.find(clientId)
    const found = only
      ? { client: only, power: await this.pool.powerOf(only, maxAgeMs) }
      : await this.pool.bestPower(maxAgeMs)
    const { power, evidence, scope, ownUserId } = found.power
    const known = this.pool.clients.flatMap(({ monitor }) => monitor.known?.ownUserId ?? [])
    const ownUserIds = new Set([ownUserId, ...known])
    return { power, evidence, scope, ownUserId, ownUserIds, client: found.client.clientId }
  }

  findUsers(user: UserReference, call: CallOptions): Promise<UserMatch[]> {
    return this.#inUse(() => abortable(this.#lookups.find(user, call.urgency), call.signal))
  }

  userExists(id: string, call: CallOptions): Promise<boolean> {
    return this.#inUse(() =>
      this.#calls.make(1, call, ({ client, grant }) =>
        client.client.userExists(grant.value, id, call.signal),
      ),
    )
  }

  async listTokens(userId: string, page: string | null, call: CallOptions): Promise<TokenPage> {
    const isPreference = page === null && call.client !== undefined && !this.pool.isUsable(call.client)
    const by = isPreference ? { ...call, client: undefined } : call
    const { tokens, next, owners, scope, askedAt, client } = await this.#inUse(() =>
      this.#ask(by, ({ client, grant }) =>
        client.client.listTokens(grant.value, { userId, page }, call.signal),
      ),
    )
    client.monitor.noteOwners(owners, { scope, askedAt })
    return { tokens, next, scope, client: client.clientId }
  }

  async listOwners(page: string | null, call: CallOptions & { client: string }): Promise<OwnersPage> {
    const asked = { userId: null, page, sort: 'userId' } as const
    const { owners, next } = await this.#inUse(() =>
      this.#calls.make(1, call, ({ client, grant }) =>
        client.client.listTokens(grant.value, asked, call.signal),
      ),
    )
    return { owners, next }
  }

  /**
   * A delete that was sent is not aborted with its callers: it may have taken effect, and only the response shows
   * that. `SharedDelete` lists the order of calls.
   */
  revokeToken(id: string, call: CallOptions): Promise<Gone> {
    return this.#inUse(() =>
      this.#options.memory.revoke(id, call, (shared, shield) =>
        this.#calls.make(2, shared, ({ client, grant }) =>
          shield(() => client.client.revokeToken(grant.value, id, this.#lifetime.signal)),
        ),
      ),
    )
  }

  fateOf(id: string): TokenFate | null {
    return this.#options.memory.fateOf(id)
  }

  /** Calls of the tenant itself. */
  get #own(): CallOptions {
    return { urgency: 0, signal: this.#lifetime.signal }
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
    const { onClientsChange = () => {} } = this.#options
    const { clientId } = config
    const call = { ...this.#own, client: clientId }
    const client = new QlikClient(http, config)
    return new PoolClient({
      config,
      client,
      budget: budgetOf(config),
      clock,
      longestNarrowMs,
      requestAccessToken: (own, credential) =>
        this.#calls.requestAccessToken(own, credential, (...of) => client.requestAccessToken(...of)),
      ownUser: async () => {
        const me = await this.#ask(call, ({ grant }) => client.me(grant.value, call.signal))
        if (!('path' in me)) return me
        return this.#ask(call, ({ grant }) => client.user(grant.value, me.path, call.signal))
      },
      visibleOwners: () =>
        this.#ask(call, ({ grant }) =>
          client.listTokens(grant.value, { userId: null, page: null }, call.signal),
        ),
      onPowerChange: (power) => {
        onPowerChange(clientId, power)
        this.pool.refresh()
        onClientsChange()
      },
      onRefusalChange: (refusal) => onRefusalChange(clientId, refusal),
      onBackgroundFailure: (error) => onBackgroundFailure(clientId, error),
    })
  }

  /** A read, with its client, the scope of the access token, and the time it was sent. */
  #ask<T extends object>(
    call: CallOptions,
    send: (caller: Caller) => Promise<T>,
  ): Promise<T & Asked & Pick<Caller, 'client'>> {
    return this.#calls.make(1, call, async (caller) => {
      const askedAt = momentOf(this.#options.clock)
      return { ...(await send(caller)), scope: caller.grant.scope, askedAt, client: caller.client }
    })
  }

  async #inUse<T>(work: () => Promise<T>): Promise<T> {
    this.#users += 1
    try {
      return await work()
    } finally {
      this.#users -= 1
      this.noteUse()
    }
  }

  async #checkPeriodically(): Promise<void> {
    await Promise.all(this.pool.clients.map((client) => this.#check(client)))
    if (this.#lifetime.signal.aborted || this.#isResting) return
    this.#cancelTimer = this.#options.clock.after(CHECK_INTERVAL_MS, () => this.#checkPeriodically())
  }

  /** Never rejects. A refused client is checked by the pool. */
  async #check(client: PoolClient): Promise<void> {
    if (client.refusedAt !== null) return
    try {
      await this.pool.powerOf(client)
      client.noteCheck(null)
    } catch (error) {
      if (this.#lifetime.signal.aborted) return
      client.noteCheck(error)
      this.#options.onBackgroundFailure(client.clientId, error)
    }
  }
}
