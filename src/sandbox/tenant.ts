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

/** The role that may see and revoke everyone's tokens. Source: https://qlik.dev/apis/rest/oauth-tokens */
const TENANT_ADMIN = 'TenantAdmin'
/** The scope without which an admin's client has no more than its own user's power. */
const ADMIN_SCOPE = 'admin_classic'

export interface SandboxUser {
  id: string
  subject: string
  email: string | null
  name: string
  status: string
  roles: string[]
  /** Whether the user's row has `roles` and `assignedRoles`; a list is shown instead of the user's real roles. */
  rolesTold: boolean | string[]
  /** Only an M2M client's bot user has one. */
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
  /** The scope of its next access tokens, whatever is requested; null: the requested one. */
  grantedScope: string | null
  /** The `scope` that the token endpoint answers with: the granted one, the requested one, or no such member. */
  answeredScope: 'granted' | 'requested' | 'none'
}

/** What can be changed on a client while the tenant runs. Scopes apply to access tokens issued from then on. */
export type ClientChanges = Partial<
  Pick<SandboxClient, 'secrets' | 'publicKeys' | 'disabled' | 'grantedScope' | 'answeredScope'>
> & {
  /** Whether the bot user has the role TenantAdmin: also for access tokens that are out. */
  admin?: boolean
  rolesTold?: SandboxUser['rolesTold']
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

  /** The tenant's clock: the one passed in, ahead by the skew. */
  now(): number {
    return this.settings.now() + this.settings.clockSkewMs
  }

  /** The latest calls that have ended, oldest first. */
  get calls(): SandboxCall[] {
    return this.log.calls
  }

  /**
   * Calls `listener` for each call as it arrives, before it is processed, and as it ends; returns the function that
   * ends this. What must happen at one certain call is simpler with `log.atCall`.
   */
  onCall(listener: CallListener): () => void {
    return this.log.subscribe(listener)
  }

  /** Makes the next calls that match fail in the way that is ordered. */
  order(fault: Fault): OrderedFault {
    return this.faults.add(fault)
  }

  /** Throws when the id is taken. */
  addUser(user: Partial<SandboxUser> = {}): SandboxUser {
    const createdAt = this.now()
    const id = user.id ?? this.#objectId(createdAt)
    if (this.users.has(id)) throw new Error(`There is a user ${id} already`)
    const row: SandboxUser = {
      id,
      subject: user.subject ?? `idp|${id}`,
      email: user.email ?? null,
      name: user.name ?? user.email ?? id,
      status: user.status ?? 'active',
      roles: user.roles ?? [],
      rolesTold: user.rolesTold ?? true,
      clientId: user.clientId ?? null,
      createdAt,
    }
    this.users.set(id, row)
    return row
  }

  /**
   * Registers an M2M OAuth client, with its bot user. Its credentials are as `newCredentials` has it.
   *
   * @param client.admin whether the bot user has the role TenantAdmin, default true
   * @param client.rolesTold whether the bot user's row has its roles, default true
   */
  addClient(client: Partial<Omit<SandboxClient, 'userId'>> & ClientChanges = {}): SandboxClient {
    const id = client.id ?? randomBytes(16).toString('hex')
    if (this.clients.has(id)) throw new Error(`There is a client ${id} already`)
    const credentials = newCredentials(client)
    const bot = this.addUser({
      subject: `qlikbot\\${id}`,
      name: `OAuth client ${id}`,
      clientId: id,
      roles: client.admin === false ? [] : [TENANT_ADMIN],
      rolesTold: client.rolesTold,
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
   * Changes a client, with its bot user: withdraws or restores the role, narrows the scope, replaces its secrets or keys. Call
   * `expireAccessTokens` as well when the client must notice a scope at once. Throws when there is no such client.
   */
  changeClient(id: string, { admin, rolesTold, ...changes }: ClientChanges): SandboxClient {
    const client = this.clients.get(id)
    const bot = client && this.users.get(client.userId)
    if (!client || !bot) throw new Error(`There is no client ${id}`)
    if (admin !== undefined) {
      const others = bot.roles.filter((role) => role !== TENANT_ADMIN)
      bot.roles = admin ? [...others, TENANT_ADMIN] : others
    }
    if (rolesTold !== undefined) bot.rolesTold = rolesTold
    return Object.assign(client, changes)
  }

  /** Gives a person `count` tokens (default 1), which do not expire. Throws when there is no such user. */
  issueTokens(userId: string, count = 1, options: IssueOptions = {}): SandboxToken[] {
    if (!this.users.has(userId)) throw new Error(`There is no user ${userId}`)
    return Array.from({ length: count }, () => this.#issue({ userId, ...options }))
  }

  /**
   * What an embedded page does with its refresh token: issues a token beside each one of the user's that is alive, for
   * the same device. There is none for a page whose token is revoked.
   *
   * @param options.reuseGrant whether the new id has the time of the old grant, default false
   */
  refreshTokens(userId: string, options: { reuseGrant?: boolean } = {}): SandboxToken[] {
    return this.tokensOf(userId).map(({ deviceType, grantedAt }) =>
      this.#issue({ userId, deviceType, ...(options.reuseGrant && { grantedAt }) }),
    )
  }

  /**
   * Spends a client's budget as another program with the same credentials does. Stops at the first call that is
   * refused, which blocks the tier as any other.
   *
   * @returns how many calls passed
   */
  spendCalls(clientId: string, tier: Tier, count: number): number {
    const userId = this.clients.get(clientId)?.userId
    if (userId === undefined) throw new Error(`There is no client ${clientId}`)
    let passed = 0
    while (passed < count && this.limiter.take(userId, tier, this.settings.now()) === 0) passed += 1
    return passed
  }

  /** Gives an M2M client an access token, and forgets those of its tokens that have expired. */
  issueAccessToken(client: SandboxClient, requestedScope: string): SandboxToken {
    this.#dropTokensOf(client.userId, (token) => this.tokens.hasExpired(token))
    const expiresAt = this.now() + client.accessTokenLifetimeMs
    const scope = client.grantedScope ?? requestedScope
    return this.#issue({ userId: client.userId, clientId: client.id, scope, expiresAt })
  }

  /** The user's tokens that are alive, oldest first. */
  tokensOf(userId: string): SandboxToken[] {
    return this.tokens.ofUser(userId).filter((token) => this.tokens.isAlive(token))
  }

  /** Whether calls made with this token may see and revoke other users' tokens. */
  isAdmin(token: SandboxToken): boolean {
    const roles = this.users.get(token.userId)?.roles
    return roles?.includes(TENANT_ADMIN) === true && token.scope.split(' ').includes(ADMIN_SCOPE)
  }

  /** Ends every access token of an M2M client at once: its calls get 401 until it fetches a new one. */
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
