import { hasLeft, inOrder, isListed } from './listing.ts'
import type { SandboxSettings } from './options.ts'

export interface SandboxToken {
  id: string
  userId: string
  /** The bearer token for calls. */
  accessToken: string
  /** By the tenant's clock, in ms since the epoch. */
  issuedAt: number
  /** Time of the grant, by the tenant's clock, in ms since the epoch. The id contains it in whole seconds. */
  grantedAt: number
  /** Time of issue by the `now` option, in ms since the epoch, independent of the tenant's skew. */
  storedAt: number
  deviceType: string | null
  /** The M2M client that the token was issued to; null for a user's token. */
  clientId: string | null
  scope: string
  /** By the tenant's clock, in ms since the epoch; null if it does not expire. */
  expiresAt: number | null
  lastUsed: number | null
  /** Increases with each issued token. Defines the order of listings. */
  serial: number
  /** True if the token is revoked or removed. */
  revoked: boolean
  /** Time of revocation, by the clock of `storedAt`; null if not revoked. */
  revokedAt: number | null
}

const NONE: readonly SandboxToken[] = []

/**
 * The valid tokens, and the revoked ones that are still listed. Indexed by id, secret and user. Each user's tokens are sorted
 * by serial.
 */
export class TokenShelf {
  readonly #settings: SandboxSettings
  readonly #now: () => number
  readonly #byId = new Map<string, SandboxToken>()
  readonly #bySecret = new Map<string, SandboxToken>()
  readonly #byUser = new Map<string, SandboxToken[]>()
  /** Revoked tokens that are still listed, in order of revocation. */
  readonly #lingering: SandboxToken[] = []

  /** @param now the tenant's clock, for expiry. Listing lags use the clock of the settings. */
  constructor(settings: SandboxSettings, now: () => number) {
    this.#settings = settings
    this.#now = now
  }

  add(token: SandboxToken): void {
    this.#byId.set(token.id, token)
    this.#bySecret.set(token.accessToken, token)
    const own = this.#byUser.get(token.userId)
    if (own === undefined) this.#byUser.set(token.userId, [token])
    else own.push(token)
  }

  withId(id: string): SandboxToken | undefined {
    return this.#byId.get(id)
  }

  /** All stored tokens of a user, by exact id. */
  ofUser(userId: string): readonly SandboxToken[] {
    return this.#byUser.get(userId) ?? NONE
  }

  /** The current listing of all users, or of one user by exact id, in listing order. */
  listed(userId?: string): readonly SandboxToken[] {
    this.#forgetTheDead()
    const now = this.#settings.now()
    const stored = userId === undefined ? this.#all() : this.ofUser(userId)
    const listed = stored.filter((token) => isListed(token, now, this.#settings) && !this.hasExpired(token))
    return inOrder(listed, this.#settings.listingOrder)
  }

  /** The token with this secret, marked as used; null if there is none that is valid. */
  authenticate(accessToken: string): SandboxToken | null {
    const token = this.#bySecret.get(accessToken)
    if (token === undefined) return null
    if (this.isAlive(token) || this.#isStillHonoured(token)) {
      token.lastUsed = this.#now()
      return token
    }
    // A revoked one may still be listed.
    if (token.revoked) this.#bySecret.delete(accessToken)
    else this.remove(token)
    return null
  }

  /** Whether the token is neither revoked nor expired. */
  isAlive(token: SandboxToken): boolean {
    return !token.revoked && !this.hasExpired(token)
  }

  hasExpired({ expiresAt }: SandboxToken): boolean {
    return expiresAt !== null && expiresAt <= this.#now()
  }

  /** Revokes a token: it stays valid for `validAfterRevokeMs`, and in listings for `lagAfterRevokeMs`. */
  revoke(token: SandboxToken): void {
    token.revoked = true
    token.revokedAt = this.#settings.now()
    if (!this.#isStillHonoured(token)) this.#bySecret.delete(token.accessToken)
    this.#lingering.push(token)
    this.#forgetTheDead()
  }

  /** Removes a token immediately, also from listings. */
  remove(token: SandboxToken): void {
    token.revoked = true
    if (!this.#byId.delete(token.id)) return
    if (!this.#isStillHonoured(token)) this.#bySecret.delete(token.accessToken)
    const own = this.#byUser.get(token.userId) ?? []
    own.splice(own.indexOf(token), 1)
    if (own.length === 0) this.#byUser.delete(token.userId)
  }

  #isStillHonoured({ revokedAt }: SandboxToken): boolean {
    const { now, validAfterRevokeMs } = this.#settings
    return revokedAt !== null && now() - revokedAt < validAfterRevokeMs
  }

  /** All tokens, sorted by user id and serial. */
  #all(): readonly SandboxToken[] {
    return [...this.#byUser.keys()].sort().flatMap((userId) => this.#byUser.get(userId) ?? [])
  }

  #forgetTheDead(): void {
    const now = this.#settings.now()
    const first = this.#lingering.findIndex(({ revokedAt }) => !hasLeft(revokedAt, now, this.#settings))
    const left = this.#lingering.splice(0, first < 0 ? this.#lingering.length : first)
    for (const token of left) this.remove(token)
  }
}
