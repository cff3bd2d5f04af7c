import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import { areEqual } from '../../base/constant-time.ts'
import { CurfewError } from '../../base/errors.ts'
import { TOLERANCE_MS, verifyWebhook, webhookKey } from '../../base/standard-webhooks.ts'
import { requiredHeader, requireRecent, unproven, type Verify } from './proof.ts'

/**
 * Standard Webhooks 1.0.0, as Svix and Supabase send it: headers `webhook-*` or `svix-*`.
 * @param secrets `whsec_…`, or `v1,whsec_…` as Supabase shows them
 */
export function standardWebhooks(secrets: readonly string[]): Verify {
  const keys = secrets.map((secret) => webhookKey(secret.replace(/^v1,/, '')))
  return ({ headers, body, now }) => {
    const prefix = headers['webhook-signature'] ? 'webhook' : 'svix'
    const id = requiredHeader(headers, `${prefix}-id`)
    const timestamp = requiredHeader(headers, `${prefix}-timestamp`)
    const signatures = (headers[`${prefix}-signature`] ?? []).join(' ')
    try {
      verifyWebhook({ id, timestamp, signatures }, body, keys, now)
    } catch (error) {
      throw error instanceof CurfewError ? unproven(error.message) : error
    }
    return { deliveryId: id, validUntil: Number(timestamp) * 1000 + TOLERANCE_MS }
  }
}

export const ALGORITHMS = ['sha256', 'sha384', 'sha512'] as const
export const ENCODINGS = ['hex', 'base64', 'base64url'] as const

/** The format of an HMAC signature, and what is signed. */
export interface HmacRule {
  /**
   * Reads the signatures, one of which must match, and the timestamp if one is signed. Its errors are sent to the
   * caller.
   */
  read: (headers: NodeJS.Dict<string[]>) => { signatures: readonly string[]; timestamp?: string }
  algorithm: (typeof ALGORITHMS)[number]
  encoding: (typeof ENCODINGS)[number]
  /** The signed text, with `{body}` and, if there is a clock, `{timestamp}`. */
  signed: string
  /** Unit of the timestamp and its maximum difference from the current time, in ms; null if no timestamp is signed. */
  clock: { unitMs: number; toleranceMs: number } | null
}

/** Verifies an HMAC signature over the body, or over a text that contains it. */
export function hmac(rule: HmacRule, secrets: readonly string[]): Verify {
  const keys = secrets.map((secret) => createSecretKey(secret, 'utf8'))
  const [before = '', after = ''] = rule.signed.split('{body}')
  return ({ headers, body, now }) => {
    const { signatures, timestamp = '' } = rule.read(headers)
    const offered = signatures.map((signature) => decode(signature, rule.encoding))
    const around = (text: string) => text.replaceAll('{timestamp}', timestamp)
    const isBy = (key: KeyObject) => {
      const mac = createHmac(rule.algorithm, key).update(around(before)).update(body).update(around(after))
      const expected = mac.digest()
      const isExpected = (one: Buffer) => one.length === expected.length && timingSafeEqual(one, expected)
      return offered.map(isExpected).includes(true)
    }
    // Every key is tried, so that the time does not reveal which one matches.
    if (!keys.map(isBy).includes(true)) throw unproven('The signature does not match.')
    if (!rule.clock) return { deliveryId: null, validUntil: Number.POSITIVE_INFINITY }
    if (!/^\d{1,16}$/.test(timestamp)) throw unproven('The timestamp is not a whole number.')
    const { unitMs, toleranceMs } = rule.clock
    const signedAt = Number(timestamp) * unitMs
    requireRecent(signedAt, now, toleranceMs)
    return { deliveryId: null, validUntil: signedAt + toleranceMs, timestamp }
  }
}

/** The most common form: SHA-256 over the body alone, in hex, in its own header. */
export function hmacOfBody(header: string, secrets: readonly string[]): Verify {
  const read: HmacRule['read'] = (headers) => ({ signatures: [requiredHeader(headers, header)] })
  return hmac({ read, algorithm: 'sha256', encoding: 'hex', signed: '{body}', clock: null }, secrets)
}

/** Decodes a signature. Returns no bytes unless the text is the canonical encoding. */
function decode(text: string, encoding: HmacRule['encoding']): Buffer {
  const bytes = Buffer.from(text, encoding)
  return bytes.toString(encoding) === (encoding === 'hex' ? text.toLowerCase() : text)
    ? bytes
    : Buffer.alloc(0)
}

/**
 * Verifies a header with the secret itself, with or without `Bearer`. Its security depends on TLS and on the sender.
 */
export function staticHeader(name: string, secrets: readonly string[]): Verify {
  const values = secrets.flatMap((secret) => [secret, `Bearer ${secret}`])
  return ({ headers }) => {
    const offered = requiredHeader(headers, name)
    if (!values.map((value) => areEqual(value, offered)).includes(true))
      throw unproven(`The header ${name} does not contain the secret.`)
    return { deliveryId: null, validUntil: Number.POSITIVE_INFINITY }
  }
}
