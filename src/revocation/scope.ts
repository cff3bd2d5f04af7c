import type { Interval } from '../base/interval.ts'
import type { Token } from './qlik-tenant.ts'
import type { Scope, Signal } from './signal.ts'
import { type GrantLimits, grantLimits } from './signal-time.ts'

/** A time in an id that lies further ahead than this is none. */
const IMPLAUSIBLY_AHEAD_MS = 5 * 60_000

/**
 * When a token was granted, by the tenant's clock, in ms since the epoch and rounded down to whole seconds; null where its
 * id holds no time. Every token id in Qlik's pages is a MongoDB ObjectId, whose first 8 hex digits are a time in seconds;
 * in Qlik's events the id equals a `grantId`, and its time precedes the token's `iat`. The schema only says string, so
 * nothing may depend on it.
 * @param now the tenant's clock: a time ahead of it shows that the digits are not a time
 */
export function grantedAt(tokenId: string, now: number): number | null {
  if (!/^[0-9a-f]{24}$/i.test(tokenId)) return null
  const at = Number.parseInt(tokenId.slice(0, 8), 16) * 1000
  return at > now + IMPLAUSIBLY_AHEAD_MS ? null : at
}

/** Which of a user's tokens a revocation is about. */
export interface GrantScope {
  scope: Scope
  /** Only tokens of this device type, or null for all. */
  deviceType: string | null
  /** With `issued-before`: by the time of the grant. */
  limits: GrantLimits
  /** Whether tokens go of which it cannot be said that they were granted before the signal. */
  revokesUndecided: boolean
  isOwnUser: boolean
}

/**
 * The scope of a revocation. Where clocks leave open whether a token was granted before the signal or after it, a security
 * signal ends it, and any other one keeps it: nobody is logged out by accident. Curfew's own user always keeps what may
 * have been granted after the signal, whatever the scope and without leeway, or its own renewed access token would be
 * revoked over and over.
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
  // A time in an id is rounded down: granted before is what was granted in a second that had passed by then.
  const limits = { certain: earliest - 1_000, undecidedUntil: latest }
  return { scope: 'issued-before', deviceType, limits, revokesUndecided: false, isOwnUser }
}

/** What happens to a token, and why. `undecided`: it is kept, and the revocation is not verified. */
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
 * Decides about one token. One whose id holds no time is revoked, except of Curfew's own user: it may be the access token
 * in use.
 * @param tenantNow the tenant's clock, at the latest; see `grantedAt`
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
