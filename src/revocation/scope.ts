import type { Token } from './qlik-tenant.ts'
import type { Scope } from './signal.ts'

/** Tokens issued up to this long after the signal's time still belong to it: clocks and callbacks lag. */
export const LEEWAY_MS = 5_000
/** A time in an id that lies further ahead than this is none. */
const IMPLAUSIBLY_AHEAD_MS = 5 * 60_000

export interface TokenScope {
  scope: Scope
  deviceType: string | null
  /** With `issued-before`: tokens issued later than this are kept. Tenant's clock, ms since the epoch. */
  issuedUntil: number
}

/**
 * When a token was issued, in ms since the epoch, or null where its id does not tell. Every token id in Qlik's
 * pages is a MongoDB ObjectId, whose first 8 hex digits are the creation time in seconds; the schema only says
 * string, so nothing may depend on it.
 * @param now the tenant's clock: a time ahead of it shows that the digits are not a time
 */
export function issuedAt(tokenId: string, now: number): number | null {
  if (!/^[0-9a-f]{24}$/i.test(tokenId)) return null
  const at = Number.parseInt(tokenId.slice(0, 8), 16) * 1000
  return at > now + IMPLAUSIBLY_AHEAD_MS ? null : at
}

/** Whether a token is to be revoked. One whose id tells no time is. */
export function isInScope(
  token: Token,
  { scope, deviceType, issuedUntil }: TokenScope,
  now: number,
): boolean {
  if (deviceType !== null && token.deviceType !== deviceType) return false
  if (scope === 'all') return true
  const at = issuedAt(token.id, now)
  return at === null || at <= issuedUntil
}
