import { EncryptJWT, jwtDecrypt } from 'jose'
import type { Clock } from '../base/clock.ts'

/** After this time, an operator signs in again. */
export const SESSION_MS = 8 * 60 * 60_000
const AUDIENCE = 'curfew-dashboard'

/**
 * Keeps the API key of a signed-in operator in a cookie that only Curfew can read: a JWE (RFC 7516) with AES-256-GCM. So all
 * replicas with the same secret accept the session, and nothing is stored. Each request authenticates with the key, so a
 * session ends with its key.
 */
export class DashboardSessions {
  readonly #secret: Uint8Array
  readonly #clock: Pick<Clock, 'now'>

  /** @param secret 32 bytes */
  constructor(secret: Uint8Array, clock: Pick<Clock, 'now'>) {
    this.#secret = secret
    this.#clock = clock
  }

  /** Returns the value of the cookie. */
  seal(apiKey: string): Promise<string> {
    const now = this.#clock.now()
    return new EncryptJWT({ apiKey })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setAudience(AUDIENCE)
      .setExpirationTime(new Date(now + SESSION_MS))
      .encrypt(this.#secret)
  }

  /** Returns the API key of a cookie; null if the cookie is forged, expired or sealed with another secret. */
  async open(cookie: string | undefined): Promise<string | null> {
    if (cookie === undefined) return null
    try {
      const { payload } = await jwtDecrypt(cookie, this.#secret, {
        audience: AUDIENCE,
        currentDate: new Date(this.#clock.now()),
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
      })
      return typeof payload.apiKey === 'string' ? payload.apiKey : null
    } catch {
      // Whatever is wrong with it, the operator signs in again.
      return null
    }
  }
}
