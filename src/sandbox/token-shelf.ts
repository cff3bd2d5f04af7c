export interface SandboxToken {
  id: string
  userId: string
  /** The secret with which calls are made. */
  accessToken: string
  /** Unix milliseconds, by the tenant's clock. */
  issuedAt: number
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
}

const NONE: readonly SandboxToken[] = []

/**
 * The tokens that are alive, found by id, by secret and by user without a scan.
 * Each user's tokens stand in the order of their serials.
 */
export class TokenShelf {
  readonly #byId = new Map<string, SandboxToken>()
  readonly #bySecret = new Map<string, SandboxToken>()
  readonly #byUser = new Map<string, SandboxToken[]>()

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

  withSecret(accessToken: string): SandboxToken | undefined {
    return this.#bySecret.get(accessToken)
  }

  ofUser(userId: string): readonly SandboxToken[] {
    return this.#byUser.get(userId) ?? NONE
  }

  /** Everyone's, ordered by user id and serial. Looks at every token. */
  all(): readonly SandboxToken[] {
    return [...this.#byUser.keys()].sort().flatMap((userId) => this.#byUser.get(userId) ?? [])
  }

  remove(token: SandboxToken): void {
    token.revoked = true
    if (!this.#byId.delete(token.id)) return
    this.#bySecret.delete(token.accessToken)
    const own = this.#byUser.get(token.userId) ?? []
    own.splice(own.indexOf(token), 1)
    if (own.length === 0) this.#byUser.delete(token.userId)
  }
}
