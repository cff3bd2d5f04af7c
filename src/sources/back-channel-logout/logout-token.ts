import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import type { Accept } from '../../revocation/accept.ts'
import type { SessionSource } from '../../revocation/session.ts'
import { Identifier } from '../../revocation/signal.ts'
import type { Accepted, RevocationStore } from '../../revocation/store.ts'
import type { TenantNames } from '../../revocation/tenant-bounds.ts'
import { COMMON, ISSUER } from '../common/entry.ts'
import { type Statement, sourceReplay, sourceSignal, tenantOf } from '../common/source-signal.ts'
import { expand } from '../common/template.ts'
import {
  TokenError,
  type TokenIssuer,
  type TokenProfile,
  takenUntil,
  verifyToken,
} from '../token/verify-token.ts'

/** An OpenID provider that tells of logouts by OpenID Connect Back-Channel Logout 1.0. */
export function backChannelLogout() {
  return z.strictObject({ kind: z.literal('oidc-back-channel-logout'), ...COMMON, ...ISSUER })
}
type Source = TokenIssuer & { config: z.infer<ReturnType<typeof backChannelLogout>> }

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

// Other members of `events` are of no matter: Keycloak puts one there that is no object (section 2.4 lets it).
const LogoutClaims = z
  .looseObject({
    jti: Identifier,
    exp: z.number(),
    iat: z.number().nonnegative(),
    sub: Identifier.optional(),
    sid: Identifier.optional(),
    events: z.looseObject({ [EVENT]: z.looseObject({}) }),
  })
  .refine(({ sub, sid }) => sub !== undefined || sid !== undefined, {
    path: ['sub'],
    error: 'expected a user (sub), a session (sid), or both',
  })
type LogoutClaims = z.infer<typeof LogoutClaims>

/** What a logout token must and must not be (section 2.6). */
const LOGOUT_TOKEN: TokenProfile<typeof LogoutClaims> = {
  name: 'a logout token',
  // Only recommended, and some send none.
  types: [null, 'jwt', 'logout+jwt'],
  // An ID token has one: it must not be taken for a logout token.
  forbidden: ['nonce'],
  claims: LogoutClaims,
  // The specification advises two minutes (section 4); providers send one to fifteen.
  longestLifeS: 60 * 60,
}

/**
 * Takes one logout token. When it resolves, what there is to do is durable; `replayed` where the token was used before.
 * @throws TokenError; CURFEW_KEYS_UNAVAILABLE, CURFEW_UNKNOWN_TENANT, CURFEW_SUBJECT_UNKNOWN
 */
export type TakeLogoutToken = (source: Source, token: string) => Promise<Accepted>

export interface TakeLogoutTokenOptions {
  accept: Accept
  tenants: TenantNames
  clock: Clock
  /** Whose session it is, where a token names nothing else. */
  findSession: RevocationStore['findSession']
  sessionSources: { of(source: string, tenant: string): SessionSource }
}

export function createTakeLogoutToken(options: TakeLogoutTokenOptions): TakeLogoutToken {
  const { accept, tenants, clock } = options
  return async (source, token) => {
    const { config } = source
    const claims = await verifyToken(token, source, LOGOUT_TOKEN, clock.now())
    const statement = await statementOf(source, claims, options)
    const signal = sourceSignal(config, statement, { tenants, now: clock.now() })
    // A token is good once (section 2.6, number 8): sent again it does nothing, as long as it has not expired.
    return accept([signal], sourceReplay(config, claims.jti, takenUntil(claims)))
  }
}

/** What the token says: by the entry's template, or, where the token does not have that, by a session whose user is known. */
async function statementOf(
  { config }: Source,
  claims: LogoutClaims,
  { tenants, clock, findSession, sessionSources }: TakeLogoutTokenOptions,
): Promise<Statement> {
  const { sub, sid, iat } = claims
  const { as = 'subject', from = as === 'email' ? '{email}' : '{sub}' } = config.user ?? {}
  const statement = { values: claims, reason: 'logout', occurredAt: iat * 1000, user: { as, from } } as const
  if (sid === undefined || expand(from, claims) !== null) return statement
  const of = sessionSources.of(config.name, tenantOf(config, claims, tenants))
  const session = await findSession(of, sid, clock.now())
  if (session) return { ...statement, user: session.user }
  if (sub !== undefined) return statement
  throw new TokenError(
    'claims',
    'The token names a session (sid) and no user (sub), and none is noted for this source: see PUT /sessions/{sid}.',
  )
}
