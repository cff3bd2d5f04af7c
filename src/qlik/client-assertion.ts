import { randomUUID } from 'node:crypto'
import { importPKCS8, SignJWT } from 'jose'
import type { ClientKey } from '../base/client-key.ts'

/** The clock difference that an assertion tolerates. */
export const ASSERTION_SKEW_MS = 60_000
/** How long an assertion is valid beyond that, so that it can reach the tenant. */
const DELIVERY_MS = 60_000

/** Token request parameters with a client assertion (RFC 7521, section 4.2; RFC 7523, section 2.2). */
export interface AssertionForm {
  client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  client_assertion: string
}

/**
 * Authenticates an OAuth client with its private key (`private_key_jwt`: RFC 7523, section 3; OpenID Connect Core
 * 1.0, section 9). Each assertion has its own `jti` and is accepted once.
 * @param audience address of the token endpoint, without a trailing slash
 * @param now the tenant's time, ms since the epoch; it may be off by a minute
 */
export async function clientAssertion(
  { pkcs8, algorithm, keyId }: ClientKey,
  { clientId, audience, now }: { clientId: string; audience: string; now: number },
): Promise<AssertionForm> {
  const seconds = (ms: number) => Math.floor(ms / 1000)
  const assertion = await new SignJWT()
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', ...(keyId === null ? {} : { kid: keyId }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setJti(randomUUID())
    // In the past, because the first request does not know the tenant's clock yet.
    .setIssuedAt(seconds(now - ASSERTION_SKEW_MS))
    .setExpirationTime(seconds(now + ASSERTION_SKEW_MS + DELIVERY_MS))
    .sign(await importPKCS8(pkcs8, algorithm))
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  }
}
