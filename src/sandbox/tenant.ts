import { randomBytes } from 'node:crypto'
import { type CallListener, CallLog, type SandboxCall } from './call-log.ts'
import { ClientAssertions } from './client-assertion.ts'
import { type ClientCredentials, newCredentials } from './client-credentials.ts'
import { Deprecations } from './deprecations.ts'
import { type Fault, FaultOrders, type OrderedFault } from './faults.ts'
import { type Issue, type IssueOptions, newToken } from './new-token.ts'
import { createObjectIds } from './object-id.ts'
import { type ExpiryFields, type SandboxOptions, type SandboxSettings, withDefaults } from './options.ts'
import { RateLimiter, type Tier } from './rate-limiter.ts'
import { type SandboxToken, TokenShelf } from './token-shelf.ts'

/** The role that can list and revoke all users' tokens. Source: https://qlik.dev/apis/rest/oauth-tokens */
const TENANT_ADMIN = 'TenantAdmin'
/** Without this scope, an admin's client can act on its own user only. */
const ADMIN_SCOPE = 'admin_classic'

export interface SandboxUser {
  id: string
  subject: string
  email: string | null
  name: string
  status: string
  roles: string[]
  /** Whether responses contain `roles` and `assignedRoles`; a list is returned instead of the real roles. */
  rolesReported: boolean | string[]
  /** The M2M client of a bot user; null for other users. */
  clientId: string | null
  createdAt: number
}

export interface SandboxClient extends ClientCredentials {
  id: string
  /** Id of its bot user. */
  userId: string
  disabled: boolean
  expiryFields: ExpiryFields
  accessTokenLifetimeMs: number
  /** Scope of new access tokens, regardless of the request; null: the requested scope. */
  grantedScope: string | null
  /** The `scope` in the response of the token endpoint: the granted one, the requested one, or none. */
  answeredScope: 'granted' | 'requested' | 'none'
}

/** Changes to a client while the tenant runs. Scopes apply to access tokens issued later. */
export type ClientChanges = Partial<
  Pick<SandboxClient, 'secrets' | 'publicKeys' | 'disabled' | 'grantedScope' | 'answeredScope'>
> & {
  /** Whether the bot user has the role TenantAdmin. Also affects issued access tokens. */
  admin?: boolean
  rolesReported?: SandboxUser['rolesReported']
}

/** The state of a Qlik Cloud tenant, without HTTP. */
export class Tenant {
  readonly id = randomBytes(24).toString('base64url')
  readonly settings: SandboxSettings
  readonly users = new Map<string, SandboxUser>()
  readonly clients = new Map<string, SandboxClient>()
  readonly tokens: TokenShelf
  readonly limiter: RateLimiter
  readonly faults = new FaultOrders()
  readonly deprecations = new Deprecations()
  readonly log = new CallLog()
  readonly assertions = new ClientAssertions()
  readonly #objectId = createObjectIds()
  #serial = 0

  constructor(options: SandboxOptions = {}) {
    this.settings = withDefaults(options)
    this.tokens = new TokenShelf(this.settings, () => this.now())
    const { tier1Limit, tier2Limit, windowMs } = this.settings
    this.limiter = new RateLimiter({ 1: tier1Limit, 2: tier2Limit }, windowMs, () => this.#tenantShare())
  }

  /** The tenant's clock: the `now` option plus the skew. */
  now(): number {
    return this.settings.now() + this.settings.clockSkewMs
  }

  /** The latest ended calls, oldest first. */
  get calls(): SandboxCall[] {
    return this.log.calls
  }

  /**
   * Calls `listener` when a call arrives, before it is processed, and when it ends. Returns a function that unsubscribes. To
   * act at one specific call, use `log.atCall`.
   */
  onCall(listener: CallListener): () => void {
    return this.log.subscribe(listener)
  }

  /** Applies the fault to the next matching calls. */
  order(fault: Fault): OrderedFault {
    return this.faults.add(fault)
  }

  /** Throws if the id is taken. */
  addUser(user: Partial<SandboxUser> = {}): SandboxUser {
    const createdAt = this.now()
    const id = user.id ?? this.#objectId(createdAt)
    if (this.users.has(id)) throw new Error(`User ${id} already exists`)
    const row: SandboxUser = {
      id,
      subject: user.subject ?? `idp|${id}`,
      email: user.email ?? null,
      name: user.name ?? user.email ?? id,
      status: user.status ?? 'active',
      roles: user.roles ?? [],
      rolesReported: user.rolesReported ?? true,
      clientId: user.clientId ?? null,
      createdAt,
    }
    this.users.set(id, row)
    return row
  }

  /**
   * Adds an M2M OAuth client and its bot user. See `newCredentials` for the credentials.
   *
   * @param client.admin whether the bot user has the role TenantAdmin. Default: true
   * @param client.rolesReported whether responses contain the bot user's roles. Default: true
   */
  addClient(client: Partial<Omit<SandboxClient, 'userId'>> & ClientChanges = {}): SandboxClient {
    const id = client.id ?? randomBytes(16).toString('hex')
    if (this.clients.has(id)) throw new Error(`Client ${id} already exists`)
    const credentials = newCredentials(client)
    const bot = this.addUser({
      subject: `qlikbot\\${id}`,
      name: `OAuth client ${id}`,
      clientId: id,
      roles: client.admin === false ? [] : [TENANT_ADMIN],
      rolesReported: client.rolesReported,
    })
    const row: SandboxClient = {
      id,
      ...credentials,
      userId: bot.id,
      disabled: client.disabled ?? false,
      expiryFields: client.expiryFields ?? this.settings.expiryFields,
      accessTokenLifetimeMs: client.accessTokenLifetimeMs ?? this.settings.accessTokenLifetimeMs,
      grantedScope: client.grantedScope ?? null,
      answeredScope: client.answeredScope ?? 'granted',
    }
    this.clients.set(id, row)
    return row
  }

  /**
   * Changes a client and its bot user: removes or restores the role, narrows the scope, replaces secrets or keys. Call
   * `expireAccessTokens` as well if the client must notice a scope immediately. Throws if the client does not exist.
   */
  changeClient(id: string, { admin, rolesReported, ...changes }: ClientChanges): SandboxClient {
    const client = this.clients.get(id)
    const bot = client && this.users.get(client.userId)
    if (!client || !bot) throw new Error(`Client ${id} does not exist`)
    if (admin !== undefined) {
      const others = bot.roles.filter((role) => role !== TENANT_ADMIN)
      bot.roles = admin ? [...others, TENANT_ADMIN] : others
    }
    if (rolesReported !== undefined) bot.rolesReported = rolesReported
    return Object.assign(client, changes)
  }

  /** Issues `count` tokens without expiry to a user. Throws if the user does not exist. */
  issueTokens(userId: string, count = 1, options: IssueOptions = {}): SandboxToken[] {
    if (!this.users.has(userId)) throw new Error(`User ${userId} does not exist`)
    return Array.from({ length: count }, () => this.#issue({ userId, ...options }))
  }

  /**
   * Refreshes tokens like an embedded page with a refresh token: issues a new token for each valid token of the user, for the
   * same device. A page whose token is revoked gets none.
   *
   * @param options.reuseGrant whether the new id contains the time of the old grant. Default: false
   */
  refreshTokens(userId: string, options: { reuseGrant?: boolean } = {}): SandboxToken[] {
    return this.tokensOf(userId).map(({ deviceType, grantedAt }) =>
      this.#issue({ userId, deviceType, ...(options.reuseGrant && { grantedAt }) }),
    )
  }

  /**
   * Spends a client's rate limit like another program with the same credentials. Stops at the first rejected call, which
   * blocks the tier as usual.
   *
   * @returns how many calls were accepted
   */
  spendCalls(clientId: string, tier: Tier, count: number): number {
    const userId = this.clients.get(clientId)?.userId
    if (userId === undefined) throw new Error(`Client ${clientId} does not exist`)
    let passed = 0
    while (passed < count && this.limiter.take(userId, tier, this.settings.now()) === 0) passed += 1
    return passed
  }

  /** Issues an access token to an M2M client and removes its expired ones. */
  issueAccessToken(client: SandboxClient, requestedScope: string): SandboxToken {
    this.#dropTokensOf(client.userId, (token) => this.tokens.hasExpired(token))
    const expiresAt = this.now() + client.accessTokenLifetimeMs
    const scope = client.grantedScope ?? requestedScope
    return this.#issue({ userId: client.userId, clientId: client.id, scope, expiresAt })
  }

  /** The user's valid tokens, oldest first. */
  tokensOf(userId: string): SandboxToken[] {
    return this.tokens.ofUser(userId).filter((token) => this.tokens.isAlive(token))
  }

  /** Whether the token can list and revoke other users' tokens. */
  isAdmin(token: SandboxToken): boolean {
    const roles = this.users.get(token.userId)?.roles
    return roles?.includes(TENANT_ADMIN) === true && token.scope.split(' ').includes(ADMIN_SCOPE)
  }

  /** Expires all access tokens of an M2M client: its calls get 401 until it requests a new one. */
  expireAccessTokens(clientId: string): void {
    const client = this.clients.get(clientId)
    if (client !== undefined) this.#dropTokensOf(client.userId, () => true)
  }

  #issue(issue: Issue): SandboxToken {
    this.#serial += 1
    const { settings } = this
    const token = newToken(issue, {
      now: this.now(),
      settings,
      objectId: this.#objectId,
      serial: this.#serial,
    })
    this.tokens.add(token)
    return token
  }

  /** Source: https://qlik.dev/apis/rest/rate-limiting (the limit of a tenant) */
  #tenantShare(): number {
    return this.users.size * (this.settings.tenantLimitShare ?? Number.POSITIVE_INFINITY)
  }

  #dropTokensOf(userId: string, doomed: (token: SandboxToken) => boolean): void {
    for (const token of this.tokens.ofUser(userId).filter(doomed)) this.tokens.remove(token)
  }
}
