import { createHash } from 'node:crypto'
import { invalidMember } from '../base/errors.ts'
import { DELIVERY_WINDOW_MS, type ReplayKey } from '../revocation/replay.ts'

/**
 * By webhook id and body, for three days. The id alone would do by Standard Webhooks; but where two senders number their messages
 * alike, or one begins anew, the second signal is proven, too, and must not be answered with the first and lost.
 * For the same reason the tenant counts that is meant: senders of different tenants may send the same body without
 * naming one. The secret does not count: a repetition may be signed with a newer one, and whoever is proven for that
 * tenant and says the same of the same user may have the same answer.
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
  /** The fingerprint of the API key: a sender's keys are its own. */
  apiKey: string
  route: string
  /** The bytes: no form of JSON is as cheap to compare, or as safe against deep nesting. */
  body: Buffer | null
}

/**
 * By `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a quoted string of 1 to 255 characters; without
 * quotes it is understood, too. The same key with another request is refused by the store.
 * @throws CURFEW_REQUEST_INVALID when the header has another form
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
