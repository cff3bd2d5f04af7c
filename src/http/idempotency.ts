import { createHash } from 'node:crypto'
import { invalidMember } from '../base/errors.ts'
import { DELIVERY_WINDOW_MS, type ReplayKey } from '../revocation/replay.ts'

/**
 * The replay key of a webhook: its id, body and tenant, kept for three days.
 * - The id alone would suffice by Standard Webhooks. But if two senders use the same ids, or one restarts its
 *   numbering, the second signal is also authentic and must not be dropped as a replay of the first.
 * - The tenant is included because senders of different tenants can send the same body without naming a tenant.
 * - The secret is not included, because a repetition may be signed with a newer one.
 */
export function webhookReplay(
  webhookId: string,
  { tenant, body, now }: { tenant: string; body: Buffer | null; now: number },
): ReplayKey {
  const key = `webhook:${webhookId}:${digest(`${tenant}\n`, body ?? '')}`
  return { key, fingerprint: null, keepUntil: now + DELIVERY_WINDOW_MS }
}

function digest(...parts: (string | Buffer)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('base64')
}

export interface KeyedRequest {
  header: string | string[] | undefined
  /** The fingerprint of the API key: idempotency keys are scoped to it. */
  apiKey: string
  route: string
  /** Compared as bytes, which is cheaper than comparing JSON and safe against deep nesting. */
  body: Buffer | null
}

/**
 * The replay key of an `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header): a string of 1 to 255
 * characters, with or without quotes. The store rejects a key that was used with a different request.
 * @throws CURFEW_REQUEST_INVALID if the header is malformed
 */
export function idempotencyReplay({ header, apiKey, route, body }: KeyedRequest): ReplayKey | null {
  if (header === undefined) return null
  const match = /^(?:"([\x20\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255}))$/.exec(String(header).trim())
  const key = match?.[1] ?? match?.[2]
  if (key === undefined) {
    throw invalidMember('Idempotency-Key', 'expected a quoted string of 1 to 255 printable ASCII characters')
  }
  return { key: `key:${apiKey}:${key}`, fingerprint: digest(`${route}\n`, body ?? '') }
}
