import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import { CurfewError } from '../../base/errors.ts'
import { decodeUtf8, parseJson } from '../../base/strict-json.ts'
import type { Accept } from '../../revocation/accept.ts'
import { userKey } from '../../revocation/keys.ts'
import type { KnowsUser } from '../../revocation/knows-user.ts'
import { Identifier } from '../../revocation/signal.ts'
import type { TenantNames } from '../../revocation/tenant-bounds.ts'
import { COMMON, ISSUER } from '../common/entry.ts'
import { sourceReplay, sourceSignal } from '../common/source-signal.ts'
import { chooseSubject } from '../common/subject-identifier.ts'
import {
  TokenError,
  type TokenIssuer,
  type TokenProfile,
  takenUntil,
  verifyToken,
} from '../token/verify-token.ts'

/** Somebody who asks for the end of a user's tokens, by OAuth Global Token Revocation or Okta's Universal Logout. */
export function globalTokenRevocation() {
  return z.strictObject({
    kind: z.literal('global-token-revocation'),
    ...COMMON,
    ...ISSUER,
    senderSubject: z
      .string()
      .min(1)
      .optional()
      .describe("`sub` of its tokens: Okta's client id (OIDC) or app instance id (SAML); any when left out"),
  })
}
type Source = TokenIssuer & { config: z.infer<ReturnType<typeof globalTokenRevocation>> }

const BearerClaims = z.looseObject({
  sub: Identifier,
  jti: Identifier.max(256),
  iat: z.number(),
  exp: z.number(),
})

/** What the bearer token must be: its type and claims by Okta's profile, the rest by RFC 7523. */
const BEARER_TOKEN: TokenProfile<typeof BearerClaims> = {
  name: 'a token for Global Token Revocation',
  types: ['global-token-revocation+jwt'],
  // Those of an ID token and of a security event token.
  forbidden: ['nonce', 'events'],
  claims: BearerClaims,
  longestLifeS: 24 * 60 * 60,
}

/** Older senders call it `subject`. */
const Body = z.looseObject({ sub_id: z.unknown(), subject: z.unknown() }).partial()

/** Asked for a user whom the tenant does not have. */
export class UserUnknown extends Error {}

/**
 * Takes one request, by its bearer token and the body, which is looked at when the token is proven. When it
 * resolves, the revocation is durable.
 * @throws TokenError, SubjectError, UserUnknown; CURFEW_KEYS_UNAVAILABLE, CURFEW_BODY_UNREADABLE, CURFEW_REQUEST_INVALID,
 * CURFEW_UNKNOWN_TENANT, CURFEW_SUBJECT_UNKNOWN, CURFEW_IDEMPOTENCY_MISMATCH where the token was used for another user
 */
export type TakeGlobalRevocation = (source: Source, token: string, readBody: () => Buffer) => Promise<void>

export interface TakeGlobalRevocationOptions {
  accept: Accept
  tenants: TenantNames
  clock: Clock
  knowsUser: KnowsUser
}

export function createTakeGlobalRevocation(options: TakeGlobalRevocationOptions): TakeGlobalRevocation {
  const { accept, tenants, clock, knowsUser } = options
  return async (source, token, readBody) => {
    const { config } = source
    const claims = await verifyToken(token, source, BEARER_TOKEN, clock.now())
    if (config.senderSubject !== undefined && claims.sub !== config.senderSubject)
      throw new TokenError('claims', 'The token is of another sender (sub).')
    const subject = chooseSubject(identifierIn(readBody()), config, { claims })
    const statement = { ...subject, reason: 'security', occurredAt: null } as const
    const signal = sourceSignal(config, statement, { tenants, now: clock.now() })
    if ((await knowsUser(signal.tenant, signal.user)) === 'unknown') throw new UserUnknown()
    // A token is good once, and for one user: another one under it is not passed over in silence.
    const fingerprint = userKey(signal.tenant, signal.user)
    await accept([signal], { ...sourceReplay(config, claims.jti, takenUntil(claims)), fingerprint })
  }
}

/** The subject identifier in a body. */
function identifierIn(body: Buffer): object {
  const { sub_id, subject } = Body.safeParse(parseJson(decodeUtf8(body))).data ?? {}
  const { data } = z.looseObject({}).safeParse(sub_id ?? subject)
  if (data && (sub_id === undefined || subject === undefined)) return data
  throw new CurfewError('CURFEW_REQUEST_INVALID', 'Expected sub_id, a subject identifier.')
}
