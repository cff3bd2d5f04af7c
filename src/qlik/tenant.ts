import { setMaxListeners } from 'node:events'
import type { Interval } from '../base/interval.ts'
import type {
  CallOptions,
  ClientPower,
  Gone,
  OwnersPage,
  PowerOptions,
  QlikTenant,
  TokenFate,
  TokenPage,
  UserSearch,
} from '../revocation/qlik-tenant.ts'
import type { UserReference } from '../revocation/signal.ts'
import { isSimilarName } from '../revocation/user-names.ts'
import { abortable } from './abortable.ts'
import type { Calls } from './calls.ts'
import type { ClientPool } from './client-pool.ts'
import type { ClientState } from './pool-client.ts'
import { TenantClients, type TenantClientsOptions } from './tenant-clients.ts'
import type { ClientConfig } from './tenant-config.ts'
import type { TokenMemory } from './token-memory.ts'
import { UserLookups } from './user-lookups.ts'

export interface TenantOptions extends Omit<TenantClientsOptions, 'lifetime'> {
  name: string
  /** Concurrent revoking calls of each client. */
  concurrency: number
  memory: TokenMemory
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
  readonly #options: TenantOptions
  readonly #clients: TenantClients
  readonly #lookups: UserLookups
  readonly #lifetime = new AbortController()
  #users = 0
  #usedAt: number

  constructor(options: TenantOptions) {
    const { name, clock } = options
    const lifetime = this.#lifetime.signal
    this.name = name
    this.#usedAt = clock.monotonic()
    // Every delete under way adds a listener.
    setMaxListeners(0, lifetime)
    this.#options = options
    this.#clients = new TenantClients({ ...options, lifetime })
    this.#lookups = new UserLookups(
      (users, urgency) => this.#search(users, { urgency, signal: lifetime }),
      clock,
    )
  }

  get pool(): ClientPool {
    return this.#clients.pool
  }

  get #calls(): Calls {
    return this.#clients.calls
  }

  get concurrency(): number {
    return this.#options.concurrency * this.pool.clients.length
  }

  /** Replaces the clients. Calls that wait use the new ones; clients with the same configuration stay. */
  change(clients: readonly ClientConfig[]): void {
    this.#clients.change(clients)
  }

  /**
   * Checks the clients in the background; resolves when their budgets are restored. Calls can be made immediately: they
   * wait for the restore, and retry it if it fails.
   */
  start(): Promise<void> {
    return this.#clients.start()
  }

  /** Stops the background checks; calls continue. */
  rest(): void {
    this.#clients.rest()
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
    this.#clients.close()
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
    return this.#inUse(() => abortable(this.#clients.power(client, maxAgeMs), signal))
  }

  findUsers(user: UserReference, call: CallOptions): Promise<UserSearch> {
    return this.#inUse(() => abortable(this.#lookups.find(user, call.urgency), call.signal))
  }

  /** A client without its role finds no other users, so its power is looked up if a user is not found. */
  async #search(users: readonly UserReference[], call: CallOptions): Promise<UserSearch> {
    const { matches, clientId } = await this.#calls.make(1, call, async ({ client, grant }) => ({
      matches: await client.client.findUsers(grant.value, users, call.signal),
      clientId: client.clientId,
    }))
    const isFound = ({ value }: UserReference) => matches.some((match) => isSimilarName(match.value, value))
    if (users.every(isFound)) return { matches, seesAll: false }
    const power = await this.#clients.power(clientId, 0).catch(() => null)
    return { matches, seesAll: power?.power === 'proven' && power.client === clientId }
  }

  userExists(id: string, call: CallOptions & { client: string }): Promise<boolean> {
    return this.#inUse(() =>
      this.#calls.make(1, call, ({ client, grant }) =>
        client.client.userExists(grant.value, id, call.signal),
      ),
    )
  }

  async listTokens(userId: string, page: string | null, call: CallOptions): Promise<TokenPage> {
    const { tokens, next, owners, scope, askedAt, client } = await this.#inUse(() =>
      this.#calls.ask(call, ({ client, grant }) =>
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

  async #inUse<T>(work: () => Promise<T>): Promise<T> {
    this.#users += 1
    try {
      return await work()
    } finally {
      this.#users -= 1
      this.noteUse()
    }
  }
}
