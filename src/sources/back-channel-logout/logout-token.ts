import { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import { Identifier } from '../../revocation/signal.ts'
import { authenticated, type Caller } from '../common/caller.ts'
import { commonMembers, ISSUER } from '../common/entry.ts'
import type { SourceContext } from '../common/part.ts'
import { type Statement, sourceReplay, sourceSignal, tenantOf } from '../common/source-signal.ts'
import { expand } from '../common/template.ts'
import type { IssuerSource } from '../token/issuer-source.ts'
import { explainRejectedTokens } from '../token/rejected-tokens.ts'
import { acceptedUntil, type TokenProfile, verifyToken } from '../token/verify-token.ts'

/** Section 4 recommends two minutes; providers use one to fifteen. */
const LONGEST_LIFE_S = 60 * 60

/** An OpenID provider that reports logouts by OpenID Connect Back-Channel Logout 1.0. */
export const LogoutEntry = z.strictObject({
  kind: z.literal('oidc-back-channel-logout'),
  ...commonMembers(),
  ...ISSUER,
  maxTokenAgeSeconds: z
    .int()
    .min(1)
    .max(LONGEST_LIFE_S)
    .optional()
    .describe(
      'Accepts logout tokens without exp until this many seconds after iat, such as 120; by default they are rejected',
    ),
})
export type LogoutEntry = z.infer<typeof LogoutEntry>
export type LogoutSource = IssuerSource<LogoutEntry>

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

// Other members of `events` are ignored: Keycloak adds one that is not an object (section 2.4 permits it).
const LogoutClaims = z
  .looseObject({
    jti: Identifier,
    iat: z.number().nonnegative(),
    exp: z.number(),
    sub: Identifier.optional(),
    sid: Identifier.optional(),
    events: z.looseObject({ [EVENT]: z.looseObject({}) }),
  })
  .refine(({ sub, sid }) => sub !== undefined || sid !== undefined, {
    path: ['sub'],
    error: 'expected a user (sub), a session (sid), or both',
  })
type LogoutClaims = z.infer<typeof LogoutClaims>

/** The requirements of section 2.6. */
const LOGOUT_TOKEN: TokenProfile<typeof LogoutClaims> = {
  name: 'a logout token',
  // The type is only recommended; some providers send none.
  types: [null, 'jwt', 'logout+jwt'],
  // An ID token has one, and must not be accepted as a logout token.
  forbidden: ['nonce'],
  claims: LogoutClaims,
  longestLifeS: LONGEST_LIFE_S,
  adviceWithoutExp: "If the provider never sends exp, set maxTokenAgeSeconds in the source's entry.",
}

/**
 * Section 2.4 requires `exp`, but LemonLDAP::NG, Glewlwyd, Ory Hydra, and older versions of Keycloak and authentik send
 * none.
 */
async function verifyLogoutToken(source: LogoutSource, token: string, now: number): Promise<LogoutClaims> {
  const profile = { ...LOGOUT_TOKEN, lifeWithoutExpS: source.config.maxTokenAgeSeconds }
  return verifyToken(token, source, profile, now)
}

/**
 * Accepts one logout token. When it resolves, the signal is durable.
 * @throws CURFEW_TOKEN_…, CURFEW_KEYS_UNAVAILABLE, CURFEW_UNKNOWN_TENANT, CURFEW_SUBJECT_UNKNOWN
 */
export type TakeLogoutToken = (source: LogoutSource, token: string, caller: Caller) => Promise<void>

export type TakeLogoutTokenOptions = Pick<
  SourceContext,
  'accept' | 'tenants' | 'clock' | 'findSession' | 'sessionSources'
>

export function createTakeLogoutToken(options: TakeLogoutTokenOptions): TakeLogoutToken {
  const { accept, tenants, clock } = options
  const take: TakeLogoutToken = async (source, token, caller) => {
    const { config } = source
    const claims = await verifyLogoutToken(source, token, clock.now())
    const origin = authenticated(config, caller)
    const statement = await statementOf(source, claims, options)
    const signal = sourceSignal(config, statement, { tenants, now: clock.now() })
    // A token is accepted once (section 2.6, number 8).
    const replay = sourceReplay(config, claims.jti, acceptedUntil(claims))
    const { replayed } = await accept([signal], replay, origin)
    if (replayed) throw new CurfewError('CURFEW_TOKEN_REPLAYED', 'The token was used before (jti).')
  }
  return explainRejectedTokens(take, LOGOUT_TOKEN.types)
}

/**
 * The statement of a token. Its user is from the entry's template or, if the token lacks a member of it, from the
 * recorded session.
 */
async function statementOf(
  { config }: LogoutSource,
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
  throw new CurfewError(
    'CURFEW_TOKEN_CLAIMS_INVALID',
    'The token names a session (sid) and no user (sub), and no user is recorded for it: see PUT /sessions/{sid}.',
  )
}
