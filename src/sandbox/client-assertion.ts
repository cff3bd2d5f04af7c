import { createPublicKey } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import { z } from 'zod'

export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Source: https://qlik.dev/authenticate/oauth/ (`private_key_jwt`) */
const ALGORITHMS = ['RS256', 'RS512', 'ES384']
const LEAST_RSA_BITS = 2_048
/** Qlik documents no limit; this one is deliberately strict. */
const LONGEST_LIFE_S = 300
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

/** A client's public key as a JWK: RSA with at least 2048 bits, or EC on P-384. */
export const PublicKey = z
  .looseObject({ kty: z.string(), kid: z.string().optional(), alg: z.enum(ALGORITHMS).optional() })
  .refine(isUsable, 'expected a public RSA key of at least 2048 bits, or an EC key on P-384')
export type PublicKey = z.infer<typeof PublicKey>

function isUsable(jwk: { kty: string }): boolean {
  if ('d' in jwk) return false
  try {
    const { asymmetricKeyDetails: details } = createPublicKey({ key: jwk, format: 'jwk' })
    if (jwk.kty === 'RSA') return (details?.modulusLength ?? 0) >= LEAST_RSA_BITS
    return jwk.kty === 'EC' && details?.namedCurve === 'secp384r1'
  } catch {
    // Not a key.
    return false
  }
}

/** The client that an assertion claims to be from, not verified; null if it names none. */
export function assertedClient(assertion: string): string | null {
  try {
    return decodeJwt(assertion).sub ?? null
  } catch {
    // Not a JWT.
    return null
  }
}

/** Whether the header of an assertion fits the key: its type, and its `kid` if present. */
function isKeyFor(jwk: PublicKey, { alg, kid }: { alg?: string; kid?: string }): boolean {
  if (jwk.kty !== (alg === 'ES384' ? 'EC' : 'RSA')) return false
  return (kid === undefined || kid === jwk.kid) && (jwk.alg === undefined || jwk.alg === alg)
}

interface AssertingClient {
  id: string
  publicKeys: PublicKey[]
}

/** Authenticates clients by assertions (RFC 7523, section 3). Each assertion is accepted once. */
export class ClientAssertions {
  /** Expiry of each accepted assertion, in seconds since the epoch, by client and `jti`. */
  readonly #taken = new Map<string, number>()

  /**
   * Whether the assertion authenticates the client. Strict: no clock tolerance, one audience, a UUID as `jti`.
   *
   * @param audience the URL of the token endpoint as requested
   * @param now by the tenant's clock, in ms since the epoch
   */
  async prove(client: AssertingClient, assertion: string, audience: string, now: number): Promise<boolean> {
    const { iat, exp, aud, jti } = (await this.#verify(client, assertion, now)) ?? {}
    const isTimely =
      iat !== undefined && exp !== undefined && iat * 1000 <= now && exp - iat <= LONGEST_LIFE_S
    if (!isTimely || aud !== audience || jti === undefined || !UUID.test(jti)) return false
    return this.#take(JSON.stringify([client.id, jti]), exp, now / 1000)
  }

  async #verify(
    { id, publicKeys }: AssertingClient,
    assertion: string,
    now: number,
  ): Promise<JWTPayload | null> {
    const options = { algorithms: ALGORITHMS, issuer: id, subject: id, currentDate: new Date(now) }
    for (const jwk of publicKeys) {
      try {
        if (!isKeyFor(jwk, decodeProtectedHeader(assertion))) continue
        const key = createPublicKey({ key: jwk, format: 'jwk' })
        return (await jwtVerify(assertion, key, options)).payload
      } catch (error) {
        // A TypeError: not a JWT.
        if (!(error instanceof errors.JOSEError || error instanceof TypeError)) throw error
      }
    }
    return null
  }

  #take(id: string, exp: number, nowS: number): boolean {
    for (const [other, until] of this.#taken) if (until <= nowS) this.#taken.delete(other)
    if (this.#taken.has(id)) return false
    this.#taken.set(id, exp)
    return true
  }
}
