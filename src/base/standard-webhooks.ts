import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { CurfewError } from './errors.ts'

/** Both ways: all in all a signature is good for as long as its id is remembered, and not a moment longer. */
export const TOLERANCE_MS = 5 * 60_000

/** `v1,` and 32 bytes in base64, separated by spaces, or by comma and space as Supabase does. */
const SIGNATURE = /(?<=^|[ ,])v1,([A-Za-z0-9+/]{43}=)(?=$|[ ,])/g

/** A sender signs with the keys it has, two while one is replaced; more would cost a comparison with each key. */
const SIGNATURES_AT_MOST = 16

/** The three headers of a signed request. Svix sends the same under its own names. */
export interface SignedHeaders {
  id: string
  timestamp: string
  signatures: string
}

/** The webhook headers of a request, or null when it carries no signature. */
export function signedHeaders(headers: IncomingHttpHeaders): SignedHeaders | null {
  for (const prefix of ['webhook', 'svix']) {
    const signatures = headers[`${prefix}-signature`]
    if (signatures === undefined) continue
    const id = headers[`${prefix}-id`]
    const timestamp = headers[`${prefix}-timestamp`]
    return { id: String(id ?? ''), timestamp: String(timestamp ?? ''), signatures: String(signatures) }
  }
  return null
}

/** The key behind a `whsec_` secret. Made once: Node takes five times as long to sign by a key in a buffer. */
export function webhookKey(secret: string): KeyObject {
  return createSecretKey(secret.replace(/^whsec_/, ''), 'base64')
}

/**
 * Proves a request signed by Standard Webhooks 1.0.0
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md): HMAC-SHA256 over
 * `id.timestamp.body`, one of the signatures by one of the keys, at most 5 minutes from `now`. Every pair is
 * compared, in constant time.
 * @param now ms since the epoch
 * @returns the first key that has proven it
 * @throws CURFEW_SIGNATURE_INVALID, CURFEW_SIGNATURE_EXPIRED
 */
export function verifyWebhook(
  { id, timestamp, signatures }: SignedHeaders,
  body: Buffer,
  keys: readonly KeyObject[],
  now: number,
): KeyObject {
  if (!/^[\x21-\x7e]{1,256}$/.test(id))
    throw new CurfewError('CURFEW_SIGNATURE_INVALID', 'The webhook id is missing or too long.')
  if (!/^\d{1,12}$/.test(timestamp)) {
    throw new CurfewError('CURFEW_SIGNATURE_INVALID', "The webhook's timestamp is not in whole seconds.")
  }
  const offered = [...signatures.matchAll(SIGNATURE)]
    .slice(0, SIGNATURES_AT_MOST)
    .map(([, base64]) => Buffer.from(String(base64), 'base64'))
  // Anybody may send one that is none: that is not worth trying every key.
  if (offered.length === 0) throw new CurfewError('CURFEW_SIGNATURE_INVALID')
  const proving = keys.filter((key) => {
    const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
    return offered.map((one) => timingSafeEqual(one, expected)).includes(true)
  })
  const [first] = proving
  if (!first) throw new CurfewError('CURFEW_SIGNATURE_INVALID')
  if (Math.abs(now - Number(timestamp) * 1000) > TOLERANCE_MS)
    throw new CurfewError('CURFEW_SIGNATURE_EXPIRED')
  return first
}
