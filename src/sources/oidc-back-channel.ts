import { z } from 'zod'
import { Identifier } from '../revocation/signal.ts'
import { COMMON, ISSUER } from './source-schema.ts'
import { TokenError, type TokenRules } from './verify-token.ts'

/**
 * A token may be good for this long, in seconds, since its `jti` is remembered until it has expired. The specification
 * advises two minutes (section 4); providers send one to fifteen.
 */
const LONGEST_LIFE_S = 60 * 60

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** An OpenID provider that tells of logouts by OpenID Connect Back-Channel Logout 1.0. */
export function backChannelLogout() {
  return z.strictObject({ kind: z.literal('oidc-back-channel-logout'), ...COMMON, ...ISSUER })
}

/** What a logout token must and must not be (section 2.6); its type is only recommended, and some send none. */
export function logoutTokenRules(issuer: Pick<TokenRules, 'issuer' | 'audience' | 'algorithms'>): TokenRules {
  return {
    ...issuer,
    types: [null, 'jwt', 'logout+jwt'],
    required: ['iss', 'aud', 'iat', 'exp', 'jti', 'events'],
    // An ID token has one: it must not be taken for a logout token.
    forbidden: ['nonce'],
  }
}

// Other members of `events` are of no matter: Keycloak puts one there that is no object (section 2.4 lets it).
const LogoutClaims = z.looseObject({
  jti: Identifier,
  exp: z.number(),
  iat: z.number().nonnegative(),
  sub: Identifier.optional(),
  sid: Identifier.optional(),
  events: z.looseObject({ [EVENT]: z.looseObject({}) }),
})
export type LogoutClaims = z.infer<typeof LogoutClaims>

/**
 * What a logout token says, once its signature is proven: whose sessions, or which one.
 * @throws TokenError
 */
export function readLogoutToken(claims: unknown): LogoutClaims {
  const { data, error } = LogoutClaims.safeParse(claims)
  if (!data) {
    const claim = String(error.issues[0]?.path[0] ?? 'events')
    throw new TokenError('claims', `The claim ${claim} is not that of a logout token.`)
  }
  if (data.sub === undefined && data.sid === undefined)
    throw new TokenError('claims', 'A logout token names a user (sub), a session (sid), or both.')
  if (data.exp - data.iat > LONGEST_LIFE_S)
    throw new TokenError('claims', 'The token is good for too long (exp): one hour at most.')
  return data
}
