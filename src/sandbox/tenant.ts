import { randomBytes } from 'node:crypto'
import { type CallListener, CallLog, type SandboxCall } from './call-log.ts'
import { type Fault, FaultOrders, type OrderedFault } from './faults.ts'
import { createObjectIds } from './object-id.ts'
import { type ExpiryFields, type SandboxOptions, type SandboxSettings, withDefaults } from './options.ts'
import { RateLimiter } from './rate-limiter.ts'
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
  /** Whether the user's row tells `roles` and `assignedRoles`. */
  rolesTold: boolean
  /** Only an M2M client's bot user has one. */
  clientId: string | null
  createdAt: number
}

export interface SandboxClient {
  id: string
  secret: string
  /** Id of its bot user. */
  userId: string
  disabled: boolean
  expiryFields: ExpiryFields
  accessTokenLifetimeMs: number
}

export interface IssueOptions {
  deviceType?: string | null
  /** Unix milliseconds, default now by the tenant's clock. */
  issuedAt?: number
  /** Form of the ids: with the issue time in front, which is the default, or telling nothing. */
  idForm?: 'object-id' | 'opaque'
  /** Unix milliseconds, default `issuedAt`. */
  lastUsed?: number | null
}

/** The state of a Qlik Cloud tenant, without HTTP. */
export class Tenant {
  readonly id = randomBytes(24).toString('base64url')
  readonly settings: SandboxSettings
  readonly users = new Map<string, SandboxUser>()
  readonly clients = new Map<string, SandboxClient>()
  readonly tokens = new TokenShelf()
  readonly limiter: RateLimiter
  readonly faults = new FaultOrders()
  readonly log = new CallLog()
  /** How long each call waits before the tenant looks at it. Can be changed at any time. */
  latencyMs: number
  readonly #objectId = createObjectIds()
  #serial = 0

  constructor(options: SandboxOptions = {}) {
    this.settings = withDefaults(options)
    this.latencyMs = this.settings.latencyMs
    const { tier1Limit, tier2Limit, windowMs } = this.settings
    this.limiter = new RateLimiter({ 1: tier1Limit, 2: tier2Limit }, windowMs)
  }

  /** The tenant's clock: the one passed in, ahead by the skew. */
  now(): number {
    return this.settings.now() + this.settings.clockSkewMs
  }

  /** The latest calls that have ended, oldest first. */
  get calls(): SandboxCall[] {
    return this.log.calls
  }

  /** Calls `listener` for each call as it arrives and as it ends; returns the function that ends this. */
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
   * Registers an M2M OAuth client, with its bot user.
   *
   * @param client.admin whether the bot user has the role TenantAdmin, default true
   * @param client.rolesTold whether the bot user's row tells its roles, default true
   */
  addClient(
    client: Partial<Omit<SandboxClient, 'userId'>> & { admin?: boolean; rolesTold?: boolean } = {},
  ): SandboxClient {
    const id = client.id ?? randomBytes(16).toString('hex')
    if (this.clients.has(id)) throw new Error(`There is a client ${id} already`)
    const bot = this.addUser({
      subject: `qlikbot\\${id}`,
      name: `OAuth client ${id}`,
      clientId: id,
      roles: client.admin === false ? [] : [TENANT_ADMIN],
      rolesTold: client.rolesTold,
    })
    const row: SandboxClient = {
      id,
      secret: client.secret ?? randomBytes(32).toString('hex'),
      userId: bot.id,
      disabled: client.disabled ?? false,
      expiryFields: client.expiryFields ?? this.settings.expiryFields,
      accessTokenLifetimeMs: client.accessTokenLifetimeMs ?? this.settings.accessTokenLifetimeMs,
    }
    this.clients.set(id, row)
    return row
  }

  /** Gives a person `count` tokens (default 1), which do not expire. Throws when there is no such user. */
  issueTokens(userId: string, count = 1, options: IssueOptions = {}): SandboxToken[] {
    if (!this.users.has(userId)) throw new Error(`There is no user ${userId}`)
    return Array.from({ length: count }, () => this.#issue({ userId, ...options }))
  }

  /** Gives an M2M client an access token, and forgets those of its tokens that have expired. */
  issueAccessToken(client: SandboxClient, scope: string): SandboxToken {
    this.#dropTokensOf(client.userId, (token) => !this.isAlive(token))
    const expiresAt = this.now() + client.accessTokenLifetimeMs
    return this.#issue({ userId: client.userId, clientId: client.id, scope, expiresAt })
  }

  /** The user's tokens that are alive, oldest first. */
  tokensOf(userId: string): SandboxToken[] {
    return this.tokens.ofUser(userId).filter((token) => this.isAlive(token))
  }

  /** The token to which this secret belongs, marked as used, if it is alive. */
  authenticate(accessToken: string): SandboxToken | null {
    const token = this.tokens.withSecret(accessToken)
    if (token === undefined) return null
    if (!this.isAlive(token)) {
      this.tokens.remove(token)
      return null
    }
    token.lastUsed = this.now()
    return token
  }

  /** Whether the token is neither revoked nor expired. */
  isAlive(token: SandboxToken): boolean {
    return !token.revoked && (token.expiresAt === null || token.expiresAt > this.now())
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

  #issue(token: Partial<SandboxToken> & IssueOptions & { userId: string }): SandboxToken {
    const issuedAt = token.issuedAt ?? this.now()
    this.#serial += 1
    const row: SandboxToken = {
      id: token.idForm === 'opaque' ? randomBytes(24).toString('base64url') : this.#objectId(issuedAt),
      userId: token.userId,
      accessToken: randomBytes(48).toString('base64url'),
      issuedAt,
      deviceType: token.deviceType ?? null,
      clientId: token.clientId ?? null,
      scope: token.scope ?? 'user_default',
      expiresAt: token.expiresAt ?? null,
      lastUsed: token.lastUsed === undefined ? issuedAt : token.lastUsed,
      serial: this.#serial,
      revoked: false,
    }
    this.tokens.add(row)
    return row
  }

  #dropTokensOf(userId: string, doomed: (token: SandboxToken) => boolean): void {
    for (const token of this.tokens.ofUser(userId).filter(doomed)) this.tokens.remove(token)
  }
}
