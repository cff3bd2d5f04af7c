import type { QlikTenant, Token } from './qlik-tenant.ts'
import type { Scope, Signal } from './signal.ts'

/** Tokens issued up to this long after the signal's time still belong to it: clocks and callbacks lag. */
const LEEWAY_MS = 5_000
/** A time in an id that lies further ahead than this is none. */
const IMPLAUSIBLY_AHEAD_MS = 5 * 60_000

export interface TokenScope {
  scope: Scope
  deviceType: string | null
  /** With `issued-before`: tokens issued later than this are kept. Tenant's clock, ms since the epoch. */
  issuedUntil: number
}

/**
 * The tokens that a signal is about. Their times are by the tenant's clock, the signal's is by ours, or by its
 * sender's where it told one: that may be right where ours is wrong, so it is never moved back. Curfew's own user
 * always keeps what was issued after the signal, or its own renewed access token would be revoked over and over.
 */
export function scopeOf(
  { scope, deviceType, occurredAt, acceptedAt }: Signal,
  tenant: Pick<QlikTenant, 'clockOffset'>,
  isOwnUser: boolean,
): TokenScope {
  const isByOurClock = occurredAt === acceptedAt
  const offset = isByOurClock ? tenant.clockOffset() : Math.max(0, tenant.clockOffset())
  return {
    scope: isOwnUser ? 'issued-before' : scope,
    deviceType,
    issuedUntil: occurredAt + offset + (isOwnUser ? 0 : LEEWAY_MS),
  }
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
