import { createHash } from 'node:crypto'

/** An API key, and the names of the tenants that it is valid for; null for all. */
export interface ApiKeyConfig {
  key: string
  tenants: readonly string[] | null
}

/** Whose API key it is: its fingerprint, by which repetitions are told apart, and the tenants it is good for. */
export interface ApiKeySender {
  kind: 'api-key'
  fingerprint: string
  /** Null for all. */
  tenants: readonly string[] | null
}

/** Tells whose API key an `Authorization` header carries, or null for none that is known. */
export type ApiKeyCheck = (authorization: string | undefined) => ApiKeySender | null

/**
 * Keys are found by their digest, however many there are. How long that takes may tell how much of a digest is alike, but
 * nobody can choose digests: the key behind one that is nearly right is as unknown as any other.
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
