import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { CurfewError } from './errors.ts'

/** In both directions, so a signature is valid for 10 minutes in total. */
export const TOLERANCE_MS = 5 * 60_000

/** `v1,` and 32 bytes in base64. Separated by spaces, or by comma and space from Supabase. */
const SIGNATURE = /(?<=^|[ ,])v1,([A-Za-z0-9+/]{43}=)(?=$|[ ,])/g

/** A sender has two keys during a rotation. The limit is needed because each signature is compared with each key. */
const MAX_SIGNATURES = 16

/** The three headers of a signed request. Svix sends the same under its own names. */
export interface SignedHeaders {
  id: string
  timestamp: string
  signatures: string
}

/** The webhook headers of a request, or null if it has no signature. */
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

/** The key of a `whsec_` secret. Create it once: signing with a key in a buffer takes Node five times as long. */
export function webhookKey(secret: string): KeyObject {
  return createSecretKey(secret.replace(/^whsec_/, ''), 'base64')
}

/**
 * Verifies a request signed according to Standard Webhooks 1.0.0
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md): one of the signatures
 * must be the HMAC-SHA256 of `id.timestamp.body` with one of the keys, and the timestamp within 5 minutes of `now`.
 * Every signature is compared with every key, in constant time.
 * @param now ms since the epoch
 * @returns the first key that matches
 * @throws CURFEW_SIGNATURE_INVALID, CURFEW_SIGNATURE_EXPIRED
 */
export function verifyWebhook(
  signed: SignedHeaders,
  body: Buffer,
  keys: readonly KeyObject[],
  now: number,
): KeyObject {
  const key = keyThatSigned(signed, body, keys)
  if (!key) throw new CurfewError('CURFEW_SIGNATURE_INVALID')
  requireCurrent(signed, now)
  return key
}

/**
 * The first key that signed the body, at any time; null if it is none of these.
 * @throws CURFEW_SIGNATURE_INVALID if the headers are malformed: then no key can match
 */
export function keyThatSigned(
  { id, timestamp, signatures }: SignedHeaders,
  body: Buffer,
  keys: readonly KeyObject[],
): KeyObject | null {
  if (!/^[\x21-\x7e]{1,256}$/.test(id))
    throw new CurfewError('CURFEW_SIGNATURE_INVALID', 'The webhook id is missing or too long.')
  if (!/^\d{1,12}$/.test(timestamp)) {
    throw new CurfewError(
      'CURFEW_SIGNATURE_INVALID',
      'The webhook timestamp is not a whole number of seconds.',
    )
  }
  const offered = [...signatures.matchAll(SIGNATURE)]
    .slice(0, MAX_SIGNATURES)
    .map(([, base64]) => Buffer.from(String(base64), 'base64'))
  // Anyone can send a malformed signature: reject it before computing an HMAC for every key.
  if (offered.length === 0) throw new CurfewError('CURFEW_SIGNATURE_INVALID')
  const proving = keys.filter((key) => {
    const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
    return offered.map((one) => timingSafeEqual(one, expected)).includes(true)
  })
  return proving[0] ?? null
}

/** @param now ms since the epoch. @throws CURFEW_SIGNATURE_EXPIRED */
export function requireCurrent({ timestamp }: SignedHeaders, now: number): void {
  if (Math.abs(now - Number(timestamp) * 1000) > TOLERANCE_MS)
    throw new CurfewError('CURFEW_SIGNATURE_EXPIRED')
}

/**
 * The headers of a signed webhook (Standard Webhooks 1.0.0).
 * @param secret `whsec_` followed by the key in base64; several during a rotation, each of which signs
 * @param now ms since the epoch
 */
export function signWebhook({
  secret,
  id,
  body,
  now,
}: {
  secret: string | readonly string[]
  id: string
  body: string
  now: number
}) {
  const timestamp = String(Math.floor(now / 1000))
  const signatures = [secret].flat().map((one) => {
    const hmac = createHmac('sha256', webhookKey(one)).update(`${id}.${timestamp}.${body}`)
    return `v1,${hmac.digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
