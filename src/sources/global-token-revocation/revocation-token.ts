import { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import { decodeUtf8, parseJson } from '../../base/strict-json.ts'
import { userKey } from '../../revocation/keys.ts'
import { Identifier } from '../../revocation/signal.ts'
import { authenticated, type Caller } from '../common/caller.ts'
import { commonMembers, ISSUER } from '../common/entry.ts'
import type { SourceContext } from '../common/part.ts'
import { sourceReplay, sourceSignal } from '../common/source-signal.ts'
import { chooseSubject, SUBJECT_MEMBERS } from '../common/subject-identifier.ts'
import type { IssuerSource } from '../token/issuer-source.ts'
import { explainRejectedTokens } from '../token/rejected-tokens.ts'
import { acceptedUntil, type TokenProfile, verifyToken } from '../token/verify-token.ts'

/**
 * A sender that requests the revocation of a user's tokens with OAuth Global Token Revocation or Okta's Universal
 * Logout.
 */
export const RevocationEntry = z.strictObject({
  kind: z.literal('global-token-revocation'),
  ...commonMembers([...SUBJECT_MEMBERS, 'claims']),
  ...ISSUER,
  senderSubject: z
    .string()
    .min(1)
    .optional()
    .describe("`sub` of its tokens: Okta's client id (OIDC) or app instance id (SAML); any by default"),
})
export type RevocationEntry = z.infer<typeof RevocationEntry>
export type RevocationSource = IssuerSource<RevocationEntry>

const BearerClaims = z.looseObject({
  sub: Identifier,
  jti: Identifier.max(256),
  iat: z.number(),
  exp: z.number(),
})

/** The bearer token: type and claims as in Okta's profile, the rest as in RFC 7523. */
const BEARER_TOKEN: TokenProfile<typeof BearerClaims> = {
  name: 'a token for Global Token Revocation',
  types: ['global-token-revocation+jwt'],
  // Claims of an ID token and of a security event token.
  forbidden: ['nonce', 'events'],
  claims: BearerClaims,
  longestLifeS: 24 * 60 * 60,
}

/** Older senders call the member `subject`. */
const Body = z.looseObject({ sub_id: z.unknown(), subject: z.unknown() }).partial()

/**
 * Accepts one request: its bearer token, and its body, which is read after the token is verified. When it resolves, the
 * revocation is durable.
 * @throws CURFEW_TOKEN_…, CURFEW_KEYS_UNAVAILABLE, CURFEW_BODY_UNREADABLE, CURFEW_REQUEST_INVALID,
 * CURFEW_SUBJECT_INVALID, CURFEW_SUBJECT_UNKNOWN, CURFEW_UNKNOWN_TENANT, CURFEW_USER_UNKNOWN;
 * CURFEW_IDEMPOTENCY_MISMATCH if the token was used for another user
 */
export type TakeGlobalRevocation = (
  source: RevocationSource,
  token: string,
  readBody: () => Buffer,
  caller: Caller,
) => Promise<void>

export type TakeGlobalRevocationOptions = Pick<
  SourceContext,
  'accept' | 'tenants' | 'clock' | 'isReplay' | 'knowsUser'
>

export function createTakeGlobalRevocation(options: TakeGlobalRevocationOptions): TakeGlobalRevocation {
  const { accept, tenants, clock, isReplay, knowsUser } = options
  const take: TakeGlobalRevocation = async (source, token, readBody, caller) => {
    const { config } = source
    const claims = await verifyToken(token, source, BEARER_TOKEN, clock.now())
    if (config.senderSubject !== undefined && claims.sub !== config.senderSubject)
      throw new CurfewError('CURFEW_TOKEN_CLAIMS_INVALID', 'The token is from another sender (sub).')
    const origin = authenticated(config, caller)
    const subject = chooseSubject(identifierIn(readBody()), config, { claims })
    const statement = { ...subject, reason: 'security', occurredAt: null } as const
    const signal = sourceSignal(config, statement, { tenants, now: clock.now() })
    // A token is valid for one user, also if the user is unknown: otherwise a token could list the tenant's users.
    const fingerprint = userKey(signal.tenant, signal.user)
    const replay = { ...sourceReplay(config, claims.jti, acceptedUntil(claims)), fingerprint }
    const isUnknown =
      !(await isReplay(replay, clock.now())) && (await knowsUser(signal.tenant, signal.user)) === 'unknown'
    const { revocations } = await accept(isUnknown ? [] : [signal], replay, origin)
    if (revocations.length === 0) throw new CurfewError('CURFEW_USER_UNKNOWN')
  }
  return explainRejectedTokens(take, BEARER_TOKEN.types)
}

/** The subject identifier in a body. */
function identifierIn(body: Buffer): object {
  const { sub_id, subject } = Body.safeParse(parseJson(decodeUtf8(body))).data ?? {}
  const { data } = z.looseObject({}).safeParse(sub_id ?? subject)
  if (data && (sub_id === undefined || subject === undefined)) return data
  throw new CurfewError('CURFEW_REQUEST_INVALID', 'Expected sub_id, a subject identifier.')
}
