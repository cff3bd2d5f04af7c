import { z } from 'zod'
import { Identifier } from '../revocation/signal.ts'
import { COMMON, ISSUER, type IssuerConfig } from './source-schema.ts'
import { TokenError, type TokenRules } from './verify-token.ts'

/** A token proves one request: whoever makes it good for longer must not fill our memory of those that were used. */
const LONGEST_LIFE_S = 24 * 60 * 60

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

/** What the token must be: its type and claims by Okta's profile, the rest by RFC 7523. */
export function bearerTokenRules({ issuer, audience, algorithms }: IssuerConfig): TokenRules {
  return {
    issuer,
    audience,
    algorithms,
    types: ['global-token-revocation+jwt'],
    required: ['iss', 'sub', 'aud', 'jti', 'iat', 'exp'],
    // Those of an ID token and of a security event token.
    forbidden: ['nonce', 'events'],
  }
}

const BearerClaims = z.looseObject({
  sub: z.string().min(1).max(512),
  jti: Identifier.max(256),
  iat: z.number(),
  exp: z.number(),
})
export type BearerClaims = z.infer<typeof BearerClaims>

/**
 * The claims of a token whose signature is proven.
 * @throws TokenError
 */
export function readBearerToken(claims: unknown, senderSubject: string | undefined): BearerClaims {
  const { data, error } = BearerClaims.safeParse(claims)
  if (!data)
    throw new TokenError('claims', `The claim ${String(error.issues[0]?.path[0])} is not as it should be.`)
  if (senderSubject !== undefined && data.sub !== senderSubject)
    throw new TokenError('claims', 'The token is of another sender (sub).')
  if (data.exp - data.iat > LONGEST_LIFE_S)
    throw new TokenError('time', 'The token is good for more than a day (exp).')
  return data
}

/** Older senders call it `subject`. */
const Body = z.looseObject({ sub_id: z.unknown(), subject: z.unknown() }).partial()

/** The subject identifier in a body; null where there is not exactly one. */
export function subjectOf(body: unknown): object | null {
  const { sub_id, subject } = Body.safeParse(body).data ?? {}
  const { data } = z.looseObject({}).safeParse(sub_id ?? subject)
  return sub_id !== undefined && subject !== undefined ? null : (data ?? null)
}
