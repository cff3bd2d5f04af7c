import type { Interval } from '../base/interval.ts'
import { type GrantLimits, grantLimits } from './grant-limits.ts'
import type { Token } from './qlik-tenant.ts'
import type { Scope, Signal } from './signal.ts'

/** A time further ahead of the tenant's clock than this is not a time. */
const IMPLAUSIBLY_AHEAD_MS = 5 * 60_000

/**
 * When a token was granted, by the tenant's clock, in ms since the epoch, rounded down to whole seconds; null if its
 * id contains no time. Every token id on Qlik's pages is a MongoDB ObjectId, whose first 8 hex digits are a time in
 * seconds. In Qlik's events the id equals a `grantId`, and its time precedes the token's `iat`. The schema only says
 * string, so nothing may depend on it.
 * @param now the tenant's clock; digits further ahead of it are not a time
 */
export function grantedAt(tokenId: string, now: number): number | null {
  if (!/^[0-9a-f]{24}$/i.test(tokenId)) return null
  const at = Number.parseInt(tokenId.slice(0, 8), 16) * 1000
  return at > now + IMPLAUSIBLY_AHEAD_MS ? null : at
}

/** The tokens of a user that a revocation covers. */
export interface GrantScope {
  scope: Scope
  /** Only tokens of this device type, or null for all. */
  deviceType: string | null
  /** For `issued-before`: limits on the time of the grant. */
  limits: GrantLimits
  /** Whether to revoke tokens that may have been granted before or after the signal. */
  revokesUndecided: boolean
  isOwnUser: boolean
}

/**
 * The scope of a revocation. If the clocks do not determine whether a token was granted before or after the signal, a
 * security signal revokes it and any other signal keeps it: no user is logged out by accident. Curfew's own user
 * always keeps tokens that may have been granted after the signal, for any scope and without leeway. Otherwise
 * Curfew would revoke its own renewed access token repeatedly.
 * @param tenantTime the signal's instant in the tenant's time (`tenantTimeOf`)
 */
export function grantScopeOf(
  { scope, deviceType, reason }: Pick<Signal, 'scope' | 'deviceType' | 'reason'>,
  tenantTime: Interval,
  isOwnUser: boolean,
): GrantScope {
  const { earliest, latest } = tenantTime
  if (!isOwnUser) {
    const revokesUndecided = reason === 'security'
    return { scope, deviceType, limits: grantLimits(tenantTime), revokesUndecided, isOwnUser }
  }
  // Times in ids are rounded down: a token counts as granted before only if its whole second had passed by then.
  const limits = { certain: earliest - 1_000, undecidedUntil: latest }
  return { scope: 'issued-before', deviceType, limits, revokesUndecided: false, isOwnUser }
}

/** What happens to a token, and why. `undecided`: the token is kept, and the revocation is not verified. */
export interface Decision {
  verdict: 'revoke' | 'keep' | 'undecided'
  why:
    | 'every-token'
    | 'granted-before'
    | 'granted-after'
    | 'other-device-type'
    | 'undecided'
    | 'no-grant-time'
}

/**
 * Decides about one token. A token whose id contains no time is revoked, unless it belongs to Curfew's own user: it may
 * be the access token in use.
 * @param tenantNow upper bound of the tenant's clock; see `grantedAt`
 */
export function decideToken(
  token: Pick<Token, 'id' | 'deviceType'>,
  { scope, deviceType, limits, revokesUndecided, isOwnUser }: GrantScope,
  tenantNow: number,
): Decision {
  if (deviceType !== null && token.deviceType !== deviceType) {
    return { verdict: 'keep', why: 'other-device-type' }
  }
  if (scope === 'all') return { verdict: 'revoke', why: 'every-token' }
  const at = grantedAt(token.id, tenantNow)
  if (at === null) return { verdict: isOwnUser ? 'undecided' : 'revoke', why: 'no-grant-time' }
  if (at <= limits.certain) return { verdict: 'revoke', why: 'granted-before' }
  if (at > (limits.undecidedUntil ?? limits.certain)) return { verdict: 'keep', why: 'granted-after' }
  return { verdict: revokesUndecided ? 'revoke' : 'undecided', why: 'undecided' }
}
