import { createHash } from 'node:crypto'

/** An API key and the names of the tenants it is valid for; null for all. */
export interface ApiKeyConfig {
  key: string
  tenants: readonly string[] | null
}

/** The sender that an API key identifies. */
export interface ApiKeySender {
  kind: 'api-key'
  /** Separates the idempotency keys of different API keys. */
  fingerprint: string
  /** Null for all. */
  tenants: readonly string[] | null
}

/** Returns the sender of the API key in an `Authorization` header, or null if the key is unknown. */
export type ApiKeyCheck = (authorization: string | undefined) => ApiKeySender | null

/**
 * Looks keys up by their digest, so the time does not grow with the number of keys. Lookup time may reveal how much of
 * a digest matches, but callers cannot choose digests, and a nearly matching digest reveals nothing about the key.
 */
export function apiKeyCheck(apiKeys: readonly ApiKeyConfig[]): ApiKeyCheck {
  const digest = (text: string) => createHash('sha256').update(text).digest('hex')
  const known = new Map(
    apiKeys.map(({ key, tenants }): [string, ApiKeySender] => {
      const hex = digest(key)
      return [hex, { kind: 'api-key', fingerprint: hex.slice(0, 16), tenants }]
    }),
  )
  return (authorization) => {
    const match = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')
    return match ? (known.get(digest(String(match[1]))) ?? null) : null
  }
}
