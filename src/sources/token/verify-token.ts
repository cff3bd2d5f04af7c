import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import type { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import type { IssuerConfig } from '../common/entry.ts'
import type { KeySet } from './key-set.ts'

/** A token of an identity provider has a few KB. */
export const LARGEST_TOKEN = 16 * 1024
/** A clock may differ by this much. */
export const TOLERANCE_S = 60

/** What a protocol's tokens must and must not be, besides signed by the issuer, for the audience and in time. */
export interface TokenProfile<Claims extends z.ZodType> {
  /** With its article, for messages. */
  name: string
  /** Values of the header `typ` that are taken, in lower case; null in it stands for none at all. */
  types: readonly (string | null)[]
  /** Claims by which it would be a token of another protocol. */
  forbidden: readonly string[]
  claims: Claims
  /** How long after `iat` its `exp` may be: for so long it is remembered that it was used. */
  longestLifeS?: number
}

/** Whose tokens are taken. */
export interface TokenIssuer {
  config: Pick<IssuerConfig, 'issuer' | 'audience' | 'algorithms'>
  keys: KeySet
}

/**
 * Proves a token (RFC 7519, RFC 8725): signed by a key of the issuer with an algorithm that is allowed, of a type that is
 * expected, for this audience and this time.
 * @param now ms since the epoch
 * @returns its claims
 * @throws CURFEW_TOKEN_…, CURFEW_KEYS_UNAVAILABLE
 */
export async function verifyToken<Claims extends z.ZodType>(
  token: string,
  { config, keys }: TokenIssuer,
  profile: TokenProfile<Claims>,
  now: number,
): Promise<z.infer<Claims>> {
  if (token.length > LARGEST_TOKEN) throw new CurfewError('CURFEW_TOKEN_MALFORMED', 'The token is too long.')
  const { issuer, audience, algorithms } = config
  const options: JWTVerifyOptions = {
    issuer,
    audience,
    algorithms,
    clockTolerance: TOLERANCE_S,
    currentDate: new Date(now),
  }
  const { payload, protectedHeader } = await jwtVerify(token, keys.find, options).catch((error) => {
    throw error instanceof CurfewError ? error : tokenError(error)
  })
  if (!profile.types.includes(typeOf(protectedHeader)))
    throw new CurfewError('CURFEW_TOKEN_MALFORMED', 'The token is of another type (typ).')
  const claims = readClaims(payload, profile)
  const present = profile.forbidden.find((claim) => payload[claim] !== undefined)
  if (present !== undefined)
    throw new CurfewError('CURFEW_TOKEN_CLAIMS_INVALID', `The token must not have the claim ${present}.`)
  requireTimes(payload, profile, now)
  return claims
}

function requireTimes(
  { iat, exp }: JWTPayload,
  { longestLifeS = Number.POSITIVE_INFINITY }: { longestLifeS?: number },
  now: number,
): void {
  if (iat !== undefined && iat * 1000 > now + TOLERANCE_S * 1000)
    throw new CurfewError('CURFEW_TOKEN_TIME_INVALID', 'The token was issued in the future (iat).')
  if (iat !== undefined && exp !== undefined && exp - iat > longestLifeS)
    throw new CurfewError(
      'CURFEW_TOKEN_TIME_INVALID',
      `The token is good for more than ${longestLifeS} s (exp).`,
    )
}

function readClaims<Claims extends z.ZodType>(
  payload: JWTPayload,
  { name, claims }: TokenProfile<Claims>,
): z.infer<Claims> {
  const { success, data, error } = claims.safeParse(payload)
  if (success) return data
  const [issue] = error.issues
  const claim = issue?.path[0]
  const problem =
    claim === undefined ? String(issue?.message) : `The claim ${String(claim)} is missing or wrong`
  throw new CurfewError('CURFEW_TOKEN_CLAIMS_INVALID', `This is not ${name}: ${problem}.`)
}

/** For keys, and for the user, may be waited between looking at a token's time and remembering it. */
const LONGEST_WAIT_S = 30

/** Until when a token that is sent again would be taken, if it were not remembered; ms since the epoch. */
export function takenUntil({ exp = Number.POSITIVE_INFINITY }: { exp?: number | undefined }): number {
  return Math.ceil(exp + TOLERANCE_S + LONGEST_WAIT_S) * 1000
}

/** The header `typ` in lower case, without `application/` (RFC 7515, section 4.1.9); null where there is none. */
function typeOf({ typ }: { typ?: unknown }): string | null {
  if (typ === undefined) return null
  // A header is what the sender has written, whatever jose's types say; what is no text is no type that is known.
  return typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : ''
}

function tokenError(error: unknown): CurfewError {
  if (error instanceof errors.JWTExpired)
    return new CurfewError('CURFEW_TOKEN_TIME_INVALID', 'The token has expired (exp).', { cause: error })
  if (error instanceof errors.JWTClaimValidationFailed) return claimError(error)
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return new CurfewError('CURFEW_TOKEN_KEY_UNKNOWN', 'No key of the issuer has signed the token (kid).', {
      cause: error,
    })
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return new CurfewError('CURFEW_TOKEN_SIGNATURE_INVALID', 'The signature of the token is not good.', {
      cause: error,
    })
  if (error instanceof errors.JOSENotSupported)
    return new CurfewError(
      'CURFEW_TOKEN_MALFORMED',
      'The token needs an extension that is not understood (crit).',
      { cause: error },
    )
  if (error instanceof errors.JOSEAlgNotAllowed)
    return new CurfewError(
      'CURFEW_TOKEN_SIGNATURE_INVALID',
      'The algorithm of the signature is not allowed (alg).',
      { cause: error },
    )
  if (error instanceof errors.JOSEError)
    return new CurfewError('CURFEW_TOKEN_MALFORMED', 'This is not a signed JWT.', { cause: error })
  // The key that it names is there and cannot be used: one of another curve, or with parts that are no numbers.
  return new CurfewError(
    'CURFEW_TOKEN_KEY_UNKNOWN',
    'The key of the issuer that the token names cannot be used (kid).',
    { cause: error },
  )
}

function claimError(error: errors.JWTClaimValidationFailed): CurfewError {
  const { claim, reason } = error
  if (reason === 'missing')
    return new CurfewError('CURFEW_TOKEN_CLAIMS_INVALID', `The token needs the claim ${claim}.`, {
      cause: error,
    })
  if (claim === 'iss')
    return new CurfewError('CURFEW_TOKEN_ISSUER_WRONG', 'The token is of another issuer (iss).', {
      cause: error,
    })
  if (claim === 'aud')
    return new CurfewError('CURFEW_TOKEN_AUDIENCE_WRONG', 'The token is for somebody else (aud).', {
      cause: error,
    })
  // Else it has another form: no number.
  if (claim === 'nbf' && reason === 'check_failed')
    return new CurfewError('CURFEW_TOKEN_TIME_INVALID', 'The token is not yet valid (nbf).', { cause: error })
  return new CurfewError('CURFEW_TOKEN_CLAIMS_INVALID', `The claim ${claim} is not as it should be.`, {
    cause: error,
  })
}
