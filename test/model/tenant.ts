import type { Tier } from '../../src/qlik/budget/permit-log.ts'
import type { Timeline } from './timeline.ts'

/** Tenant behavior that Qlik does not document, or that depends on the tenant. */
export interface TenantSettings {
  /** How far its clock is ahead of true time. */
  skewMs: number
  paging: 'cursor' | 'offset'
  pageSize: number
  /** How it compares names. */
  folding: 'ascii' | 'unicode'
  limits: Record<Tier, number>
  windowMs: number
  /** Status for the delete of a missing token. */
  absentDelete: 204 | 404
}

export interface User {
  id: string
  subject: string
  email: string | null
}

/** Times are true ones, in ms. */
export interface Token {
  id: string
  userId: string
  deviceType: string | null
  grantedAt: number
  /**
   * The time of the grant on the tenant's clock, as the id shows it: whole seconds, in ms. Null if the id shows none.
   */
  idTime: number | null
  /** When it starts to be listed. */
  listedFrom: number
  deletedAt: number | null
  /** When it stops being listed after its end. */
  listedUntil: number
  /** How often the tenant's clock had been set when it was granted. */
  epoch: number
}

export interface AccessToken {
  value: string
  scope: string
  isValid: boolean
  /** A token like any other, of the client's own user. */
  token: Token
}

export const BOT: User = { id: 'bot0', subject: 'qlikbot\\client', email: null }

/** Similar names, which must not be confused. */
export const PEOPLE: readonly User[] = [
  { id: 'kate', subject: 'idp|Kate', email: 'kate@example.com' },
  { id: 'KATE', subject: 'idp|K', email: 'Ann@example.com' },
  { id: 'kelvin', subject: 'idp|k', email: '\u212Aate@example.com' },
  { id: 'ann', subject: 'idp|Ann', email: 'ann@example.com' },
  { id: 'zoe', subject: 'idp|Zoë', email: 'zoe@example.com' },
]
const USERS: readonly User[] = [...PEOPLE, BOT]

/** The state of a Qlik Cloud tenant. It knows the truth, whatever it lists. */
export class ModelTenant {
  readonly settings: TenantSettings
  readonly tokens: Token[] = []
  readonly accessTokens: AccessToken[] = []
  readonly #timeline: Timeline
  readonly #byId = new Map<string, Token>()
  #skewMs: number
  #serial = 0
  /** How often its clock was set. */
  epoch = 0
  isAdmin = true
  areRolesReported = true
  grantedScope = 'admin_classic'
  /** When the role was last withdrawn or restored; true time. */
  roleChangedAt = Number.NEGATIVE_INFINITY

  constructor(settings: TenantSettings, timeline: Timeline) {
    this.settings = settings
    this.#timeline = timeline
    this.#skewMs = settings.skewMs
  }

  /** The tenant's clock. */
  now(): number {
    return this.toTenantTime(this.#timeline.now)
  }

  toTenantTime(at: number): number {
    return at + this.#skewMs
  }

  stepClock(ms: number): void {
    this.#skewMs += ms
    this.epoch += 1
  }

  setAdmin(isAdmin: boolean): void {
    if (isAdmin !== this.isAdmin) this.roleChangedAt = this.#timeline.now
    this.isAdmin = isAdmin
  }

  /**
   * @param agoMs how long ago the grant was made for the token issued now
   * @param lagMs how long after its issue it is listed
   */
  grant(
    userId: string,
    {
      deviceType,
      agoMs,
      lagMs,
      hasIdTime,
    }: Pick<Token, 'deviceType'> & {
      agoMs: number
      lagMs: number
      hasIdTime: boolean
    },
  ): Token {
    const { now } = this.#timeline
    const grantedAt = now - agoMs
    this.#serial += 1
    const seconds = Math.floor(this.toTenantTime(grantedAt) / 1000)
    const serial = this.#serial.toString(16).padStart(16, '0')
    const token: Token = {
      id: hasIdTime ? `${seconds.toString(16).padStart(8, '0')}${serial}` : `opaque-${this.#serial}`,
      userId,
      deviceType,
      grantedAt,
      idTime: hasIdTime ? seconds * 1000 : null,
      listedFrom: now + lagMs,
      deletedAt: null,
      listedUntil: Number.POSITIVE_INFINITY,
      epoch: this.epoch,
    }
    this.tokens.push(token)
    this.#byId.set(token.id, token)
    return token
  }

  /** Ends a token; it stays listed for `lagMs`. */
  end(token: Token, lagMs: number): void {
    token.deletedAt = this.#timeline.now
    token.listedUntil = this.#timeline.now + lagMs
    for (const access of this.accessTokens) if (access.token === token) access.isValid = false
  }

  tokenWith(id: string): Token | undefined {
    return this.#byId.get(id)
  }

  aliveOf(userId: string): Token[] {
    return this.tokens.filter((token) => token.userId === userId && token.deletedAt === null)
  }

  issueAccessToken(): AccessToken {
    const token = this.grant(BOT.id, { deviceType: null, agoMs: 0, lagMs: 0, hasIdTime: true })
    const access = { value: `access-${token.id}`, scope: this.grantedScope, isValid: true, token }
    this.accessTokens.push(access)
    return access
  }

  /** Ends all access tokens: the client must request another one. */
  expireAccessTokens(): void {
    for (const { token, isValid } of this.accessTokens) if (isValid) this.end(token, 0)
  }

  /** Whether a client with this access token can see and revoke tokens of other users. */
  hasPower({ scope }: AccessToken): boolean {
    return this.isAdmin && scope.split(' ').includes('admin_classic')
  }

  /** The tokens listed now. */
  listed(userId: string | null, access: AccessToken): Token[] {
    const { now } = this.#timeline
    const isVisible = (token: Token) => this.hasPower(access) || token.userId === BOT.id
    const isListed = ({ listedFrom, listedUntil }: Token) => listedFrom <= now && now < listedUntil
    return this.tokens.filter(
      (token) => isListed(token) && isVisible(token) && (userId === null || token.userId === userId),
    )
  }

  userWith(id: string): User | undefined {
    return USERS.find((user) => user.id === id)
  }

  /** The users that a filter for one kind of name finds. */
  find(kind: 'subject' | 'email', values: readonly string[]): User[] {
    return USERS.filter((user) => {
      const name = user[kind]
      return name !== null && values.some((value) => this.isTakenFor(name, value))
    })
  }

  isTakenFor(name: string, value: string): boolean {
    if (this.settings.folding === 'unicode') return name.toLowerCase() === value.toLowerCase()
    const fold = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    return fold(name) === fold(value)
  }
}
