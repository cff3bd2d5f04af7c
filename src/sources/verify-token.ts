import {
  errors,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
  type ProtectedHeaderParameters,
} from 'jose'
import { type KeySet, KeysUnavailable } from './key-set.ts'
import type { IssuerConfig } from './source-schema.ts'

/** A token of an identity provider has a few KB. */
const LARGEST_TOKEN = 16 * 1024
/** A clock may differ by this much. */
export const TOLERANCE_S = 60

/**
 * Why a token proves nothing.
 * - `malformed`: not a signed JWT, or of another type
 * - `key`: no key of the issuer has made it, as far as the key's name goes
 * - `signature`: the signature is not good, or of an algorithm that is not allowed
 * - `issuer`, `audience`: for somebody else
 * - `time`: expired, not yet valid, or issued in the future
 * - `claims`: one that has to be there is missing, or one is there that must not be
 * - `unavailable`: the issuer's keys cannot be had now
 */
export type TokenFault =
  | 'malformed'
  | 'key'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'time'
  | 'claims'
  | 'unavailable'

/** The message is for whoever sends the token: it repeats nothing of it, in the characters of RFC 6749, section 5.2. */
export class TokenError extends Error {
  readonly fault: TokenFault

  constructor(fault: TokenFault, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'TokenError'
    this.fault = fault
  }
}

export interface TokenRules extends Pick<IssuerConfig, 'issuer' | 'audience' | 'algorithms'> {
  /** Values of the header `typ` that are taken, in lower case; null in it stands for none at all. */
  types: readonly (string | null)[]
  required: readonly string[]
  forbidden: readonly string[]
}

export interface VerifiedToken {
  claims: JWTPayload
  header: ProtectedHeaderParameters
}

/**
 * Proves a token (RFC 7519, RFC 8725): signed by a key of the issuer with an algorithm that is allowed, of a type that is
 * expected, for this audience and this time.
 * @param now ms since the epoch
 * @throws TokenError
 */
export async function verifyToken(
  token: string,
  rules: TokenRules,
  keys: KeySet,
  now: number,
): Promise<VerifiedToken> {
  if (token.length > LARGEST_TOKEN) throw new TokenError('malformed', 'The token is too long.')
  const { issuer, audience, algorithms, required, forbidden } = rules
  const options: JWTVerifyOptions = {
    issuer,
    audience,
    algorithms,
    clockTolerance: TOLERANCE_S,
    currentDate: new Date(now),
    requiredClaims: [...required],
  }
  const { payload, protectedHeader } = await jwtVerify(token, keys.find, options).catch((error) => {
    throw toTokenError(error)
  })
  if (!rules.types.includes(typeOf(protectedHeader)))
    throw new TokenError('malformed', 'The token is of another type (typ).')
  const present = forbidden.find((claim) => payload[claim] !== undefined)
  if (present !== undefined) throw new TokenError('claims', `The token must not have the claim ${present}.`)
  if (payload.iat !== undefined && payload.iat * 1000 > now + TOLERANCE_S * 1000)
    throw new TokenError('time', 'The token was issued in the future (iat).')
  return { claims: payload, header: protectedHeader }
}

/** Until when a token that is sent again would be taken, if it were not remembered; ms since the epoch. */
export function takenUntil({ exp }: { exp: number }): number {
  return Math.ceil((exp + TOLERANCE_S) * 1000)
}

/** The header `typ` in lower case, without `application/` (RFC 7515, section 4.1.9); null where there is none. */
function typeOf({ typ }: { typ?: unknown }): string | null {
  // A header is what the sender has written, whatever jose's types say; what is no text is no type that is known.
  return typ === undefined
    ? null
    : String(typ)
        .toLowerCase()
        .replace(/^application\//, '')
}

function toTokenError(error: unknown): TokenError {
  if (error instanceof KeysUnavailable) return new TokenError('unavailable', error.message, error)
  if (error instanceof errors.JWTExpired) return new TokenError('time', 'The token has expired (exp).', error)
  if (error instanceof errors.JWTClaimValidationFailed) return claimError(error)
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return new TokenError('key', 'No key of the issuer has signed the token (kid).', error)
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return new TokenError('signature', 'The signature of the token is not good.', error)
  if (error instanceof errors.JOSENotSupported)
    return new TokenError('malformed', 'The token needs an extension that is not understood (crit).', error)
  if (error instanceof errors.JOSEAlgNotAllowed)
    return new TokenError('signature', 'The algorithm of the signature is not allowed (alg).', error)
  if (error instanceof errors.JOSEError)
    return new TokenError('malformed', 'This is not a signed JWT.', error)
  // The key that it names is there and cannot be used: one of another curve, or with parts that are no numbers.
  return new TokenError('key', 'The key of the issuer that the token names cannot be used (kid).', error)
}

function claimError(error: errors.JWTClaimValidationFailed): TokenError {
  const { claim, reason } = error
  if (reason === 'missing') return new TokenError('claims', `The token needs the claim ${claim}.`, error)
  if (claim === 'iss') return new TokenError('issuer', 'The token is of another issuer (iss).', error)
  if (claim === 'aud') return new TokenError('audience', 'The token is for somebody else (aud).', error)
  // Else it has another form: no number.
  if (claim === 'nbf' && reason === 'check_failed')
    return new TokenError('time', 'The token is not yet valid (nbf).', error)
  return new TokenError('claims', `The claim ${claim} is not as it should be.`, error)
}
