import { createHash, timingSafeEqual } from 'node:crypto'

/** Tells whose API key an `Authorization` header carries: the key's fingerprint, or null for none that is known. */
export type ApiKeyCheck = (authorization: string | undefined) => string | null

/** Digests are compared, all of them and in constant time: neither a length nor a prefix shows in the timing. */
export function apiKeyCheck(apiKeys: readonly string[]): ApiKeyCheck {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const known = apiKeys.map(digest)
  return (authorization) => {
    const match = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')
    if (!match) return null
    const offered = digest(String(match[1]))
    const matches = known.map((one) => timingSafeEqual(one, offered))
    return matches.includes(true) ? offered.toString('hex').slice(0, 16) : null
  }
}
