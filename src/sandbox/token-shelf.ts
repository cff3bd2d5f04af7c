import { hasLeft, inOrder, isListed } from './listing.ts'
import type { SandboxSettings } from './options.ts'

export interface SandboxToken {
  id: string
  userId: string
  /** The secret with which calls are made. */
  accessToken: string
  /** Unix milliseconds, by the tenant's clock. */
  issuedAt: number
  /** Time of the grant, at or before the issue (Unix ms, by the tenant's clock): in whole seconds, in the id. */
  grantedAt: number
  /** The time of issue by the clock that the tenant was given (Unix ms), whatever its skew was and becomes. */
  storedAt: number
  deviceType: string | null
  /** The M2M client it was issued to; null for a person's token. */
  clientId: string | null
  scope: string
  /** Unix milliseconds, by the tenant's clock; null when it does not expire. */
  expiresAt: number | null
  lastUsed: number | null
  /** Rises with every token issued: the place of the token in a listing. */
  serial: number
  /** True as soon as it is revoked or has expired. */
  revoked: boolean
  /** When it was revoked, by the same clock as `storedAt`; null if it was not. */
  revokedAt: number | null
}

const NONE: readonly SandboxToken[] = []

/**
 * The tokens that are alive, and those that are revoked and still listed; found by id, by secret and by user without
 * a scan. Each user's tokens stand in the order of their serials.
 */
export class TokenShelf {
  readonly #settings: SandboxSettings
  readonly #now: () => number
  readonly #byId = new Map<string, SandboxToken>()
  readonly #bySecret = new Map<string, SandboxToken>()
  readonly #byUser = new Map<string, SandboxToken[]>()
  /** Revoked tokens that are still listed, in the order of their revocation. */
  readonly #lingering: SandboxToken[] = []

  /** @param now the tenant's clock, by which tokens expire; listings are behind by the clock of the settings */
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

  /** Everything that is stored of a user's, by the exact id. */
  ofUser(userId: string): readonly SandboxToken[] {
    return this.#byUser.get(userId) ?? NONE
  }

  /** What a listing has now, of everyone or of one user (by the exact id), in its order. */
  listed(userId?: string): readonly SandboxToken[] {
    this.#forgetTheDead()
    const now = this.#settings.now()
    const stored = userId === undefined ? this.#all() : this.ofUser(userId)
    const listed = stored.filter((token) => isListed(token, now, this.#settings) && !this.hasExpired(token))
    return inOrder(listed, this.#settings.listingOrder)
  }

  /** The token to which this secret belongs, marked as used, if it is alive. */
  authenticate(accessToken: string): SandboxToken | null {
    const token = this.#bySecret.get(accessToken)
    if (token === undefined) return null
    if (!this.isAlive(token)) {
      this.remove(token)
      return null
    }
    token.lastUsed = this.#now()
    return token
  }

  /** Whether the token is neither revoked nor expired. */
  isAlive(token: SandboxToken): boolean {
    return !token.revoked && !this.hasExpired(token)
  }

  hasExpired({ expiresAt }: SandboxToken): boolean {
    return expiresAt !== null && expiresAt <= this.#now()
  }

  /** Revokes a token: it is dead at once, and stays in listings for `lagAfterRevokeMs`. */
  revoke(token: SandboxToken): void {
    token.revoked = true
    token.revokedAt = this.#settings.now()
    this.#bySecret.delete(token.accessToken)
    this.#lingering.push(token)
    this.#forgetTheDead()
  }

  /** Removes a token from everything at once, listings included. */
  remove(token: SandboxToken): void {
    token.revoked = true
    if (!this.#byId.delete(token.id)) return
    this.#bySecret.delete(token.accessToken)
    const own = this.#byUser.get(token.userId) ?? []
    own.splice(own.indexOf(token), 1)
    if (own.length === 0) this.#byUser.delete(token.userId)
  }

  /** Everyone's, ordered by user id and serial. Looks at every token. */
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
