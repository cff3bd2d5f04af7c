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
    return { deliveryId: id, goodUntil: Number(timestamp) * 1000 + TOLERANCE_MS }
  }
}

export const ALGORITHMS = ['sha256', 'sha384', 'sha512'] as const
export const ENCODINGS = ['hex', 'base64', 'base64url'] as const

/** What a signature by HMAC looks like, and what it is over. */
export interface HmacRule {
  /** The signatures, of which one has to match, and the timestamp where one is signed; what it throws is the answer. */
  read: (headers: NodeJS.Dict<string[]>) => { signatures: readonly string[]; timestamp?: string }
  algorithm: (typeof ALGORITHMS)[number]
  encoding: (typeof ENCODINGS)[number]
  /** What is signed, with `{body}` and, if there is a clock, `{timestamp}` in it. */
  signed: string
  /** What the timestamp counts, and how far from now it may be, in ms; null where none is signed. */
  clock: { unitMs: number; toleranceMs: number } | null
}

/** A signature by HMAC over the body, or over a text that holds it. */
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
    // Every key is tried, so that the time does not tell which one it is.
    if (!keys.map(isBy).includes(true)) throw unproven('The signature does not match.')
    if (!rule.clock) return { deliveryId: null, goodUntil: Number.POSITIVE_INFINITY }
    if (!/^\d{1,16}$/.test(timestamp)) throw unproven('The timestamp is not a whole number.')
    const { unitMs, toleranceMs } = rule.clock
    const signedAt = Number(timestamp) * unitMs
    requireRecent(signedAt, now, toleranceMs)
    return { deliveryId: null, goodUntil: signedAt + toleranceMs, timestamp }
  }
}

/** The commonest of them: SHA-256 over the body alone, in a header of its own, in hex. */
export function hmacOfBody(header: string, secrets: readonly string[]): Verify {
  const read: HmacRule['read'] = (headers) => ({ signatures: [requiredHeader(headers, header)] })
  return hmac({ read, algorithm: 'sha256', encoding: 'hex', signed: '{body}', clock: null }, secrets)
}

/** The bytes of a signature that is written in exactly one way; none for any other text. */
function decode(text: string, encoding: HmacRule['encoding']): Buffer {
  const bytes = Buffer.from(text, encoding)
  return bytes.toString(encoding) === (encoding === 'hex' ? text.toLowerCase() : text)
    ? bytes
    : Buffer.alloc(0)
}

/** A header that holds the secret itself, bare or after `Bearer`: only as good as TLS and the sender's care. */
export function staticHeader(name: string, secrets: readonly string[]): Verify {
  const values = secrets.flatMap((secret) => [secret, `Bearer ${secret}`])
  return ({ headers }) => {
    const offered = requiredHeader(headers, name)
    if (!values.map((value) => areEqual(value, offered)).includes(true))
      throw unproven(`The header ${name} is not the secret.`)
    return { deliveryId: null, goodUntil: Number.POSITIVE_INFINITY }
  }
}
