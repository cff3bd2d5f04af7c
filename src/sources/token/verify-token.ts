import { errors, type JWTPayload, type JWTVerifyOptions } from 'jose'
import type { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import type { IssuerConfig } from '../common/entry.ts'
import type { KeySet } from './key-set.ts'

/** In characters. A token of an identity provider has a few KB. */
export const LARGEST_TOKEN = 16 * 1024
/** Tolerated difference between clocks. */
export const TOLERANCE_S = 60

/** The requirements of a protocol for its tokens, in addition to signature, issuer, audience and times. */
export interface TokenProfile<Claims extends z.ZodType> {
  /** For messages, with its article. */
  name: string
  /** Accepted values of the header `typ`, in lower case; null accepts tokens without it. */
  types: readonly (string | null)[]
  /** Claims that tokens of other protocols have. A token with one of them is rejected. */
  forbidden: readonly string[]
  claims: Claims
  /** Maximum time from `iat` to `exp`, in s. Used tokens are remembered until `exp`, so this limits the retention. */
  longestLifeS?: number
  /** How long after `iat` a token without `exp` expires, in s; such tokens are rejected if this is missing. */
  lifeWithoutExpS?: number | undefined
  /** Added to the error for a token without `exp`. */
  adviceWithoutExp?: string
}

/** An issuer whose tokens are accepted. */
export interface TokenIssuer {
  config: Pick<IssuerConfig, 'issuer' | 'audience' | 'algorithms'>
  keys: KeySet
}

/**
 * Verifies a token (RFC 7519, RFC 8725): signed by a key of the issuer with an allowed algorithm, of an expected type,
 * for this audience and valid now.
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
  const { payload, protectedHeader } = await keys.verify(token, options).catch((error) => {
    throw error instanceof CurfewError ? error : tokenError(error)
  })
  expireByAge(payload, profile, now)
  if (!profile.types.includes(typeOf(protectedHeader)))
    throw new CurfewError('CURFEW_TOKEN_MALFORMED', 'The token has another type than expected (typ).')
  const claims = readClaims(payload, profile)
  const present = profile.forbidden.find((claim) => payload[claim] !== undefined)
  if (present !== undefined)
    throw new CurfewError('CURFEW_TOKEN_CLAIMS_INVALID', `The token must not have the claim ${present}.`)
  requireTimes(payload, profile, now)
  return claims
}

/** Gives a token without `exp` the expiry that the profile defines. @throws CURFEW_TOKEN_TIME_INVALID */
function expireByAge(
  payload: JWTPayload,
  { lifeWithoutExpS }: { lifeWithoutExpS?: number | undefined },
  now: number,
) {
  const { iat, exp } = payload
  if (lifeWithoutExpS === undefined || exp !== undefined || typeof iat !== 'number') return
  payload.exp = iat + lifeWithoutExpS
  if ((payload.exp + TOLERANCE_S) * 1000 <= now)
    throw new CurfewError('CURFEW_TOKEN_TIME_INVALID', `The token is older than ${lifeWithoutExpS} s (iat).`)
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
      `The token is valid for more than ${longestLifeS} s (exp).`,
    )
}

function readClaims<Claims extends z.ZodType>(
  payload: JWTPayload,
  { name, claims, adviceWithoutExp }: TokenProfile<Claims>,
): z.infer<Claims> {
  const { success, data, error } = claims.safeParse(payload)
  if (success) return data
  const [issue] = error.issues
  const claim = issue?.path[0]
  const problem =
    claim === undefined ? String(issue?.message) : `the claim ${String(claim)} is missing or invalid`
  const advice = claim === 'exp' && payload.exp === undefined && adviceWithoutExp
  throw new CurfewError(
    'CURFEW_TOKEN_CLAIMS_INVALID',
    `This is not ${name}: ${problem}.${advice ? ` ${advice}` : ''}`,
  )
}

/**
 * Longest time between checking a token's times and storing that it was used, which includes waiting for keys and the
 * user.
 */
const LONGEST_WAIT_S = 30

/** Until when a repeated token would be accepted if its first use were not remembered; ms since the epoch. */
export function acceptedUntil({ exp = Number.POSITIVE_INFINITY }: { exp?: number | undefined }): number {
  return Math.ceil(exp + TOLERANCE_S + LONGEST_WAIT_S) * 1000
}

/** The header `typ` in lower case, without `application/` (RFC 7515, section 4.1.9); null if there is none. */
function typeOf({ typ }: { typ?: unknown }): string | null {
  if (typ === undefined) return null
  // The sender may have sent any JSON value, despite jose's types. A value that is not a string matches no type.
  return typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : ''
}

function tokenError(error: unknown): CurfewError {
  if (error instanceof errors.JWTExpired)
    return new CurfewError('CURFEW_TOKEN_TIME_INVALID', 'The token has expired (exp).', { cause: error })
  if (error instanceof errors.JWTClaimValidationFailed) return claimError(error)
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return new CurfewError('CURFEW_TOKEN_KEY_UNKNOWN', 'No key of the issuer matches the token (kid).', {
      cause: error,
    })
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return new CurfewError('CURFEW_TOKEN_SIGNATURE_INVALID', 'The signature of the token is invalid.', {
      cause: error,
    })
  if (error instanceof errors.JOSENotSupported)
    return new CurfewError('CURFEW_TOKEN_MALFORMED', 'The token requires an unsupported extension (crit).', {
      cause: error,
    })
  if (error instanceof errors.JOSEAlgNotAllowed)
    return new CurfewError(
      'CURFEW_TOKEN_SIGNATURE_INVALID',
      'The signature algorithm is not allowed (alg).',
      { cause: error },
    )
  if (error instanceof errors.JOSEError)
    return new CurfewError('CURFEW_TOKEN_MALFORMED', 'The token is not a signed JWT.', { cause: error })
  // The named key exists but is unusable: it has another curve, or malformed parameters.
  return new CurfewError(
    'CURFEW_TOKEN_KEY_UNKNOWN',
    'The issuer key that the token names is unusable (kid).',
    { cause: error },
  )
}

function claimError(error: errors.JWTClaimValidationFailed): CurfewError {
  const { claim, reason } = error
  if (reason === 'missing')
    return new CurfewError('CURFEW_TOKEN_CLAIMS_INVALID', `The token lacks the claim ${claim}.`, {
      cause: error,
    })
  if (claim === 'iss')
    return new CurfewError('CURFEW_TOKEN_ISSUER_WRONG', 'The token is from another issuer (iss).', {
      cause: error,
    })
  if (claim === 'aud')
    return new CurfewError('CURFEW_TOKEN_AUDIENCE_WRONG', 'The token is for another audience (aud).', {
      cause: error,
    })
  // Any other reason means that the claim is not a number.
  if (claim === 'nbf' && reason === 'check_failed')
    return new CurfewError('CURFEW_TOKEN_TIME_INVALID', 'The token is not yet valid (nbf).', { cause: error })
  return new CurfewError('CURFEW_TOKEN_CLAIMS_INVALID', `The claim ${claim} is invalid.`, {
    cause: error,
  })
}
