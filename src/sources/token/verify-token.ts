import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import type { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import type { IssuerConfig } from '../common/entry.ts'
import type { KeySet } from './key-set.ts'

/** A token of an identity provider has a few KB. */
export const LARGEST_TOKEN = 16 * 1024
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
 */
export type TokenFault = 'malformed' | 'key' | 'signature' | 'issuer' | 'audience' | 'time' | 'claims'

/** The message is for whoever sends the token: it repeats nothing of it, in the characters of RFC 6749, section 5.2. */
export class TokenError extends Error {
  readonly fault: TokenFault

  constructor(fault: TokenFault, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'TokenError'
    this.fault = fault
  }
}

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
 * @throws TokenError, CURFEW_KEYS_UNAVAILABLE
 */
export async function verifyToken<Claims extends z.ZodType>(
  token: string,
  { config, keys }: TokenIssuer,
  profile: TokenProfile<Claims>,
  now: number,
): Promise<z.infer<Claims>> {
  if (token.length > LARGEST_TOKEN) throw new TokenError('malformed', 'The token is too long.')
  const { issuer, audience, algorithms } = config
  const options: JWTVerifyOptions = {
    issuer,
    audience,
    algorithms,
    clockTolerance: TOLERANCE_S,
    currentDate: new Date(now),
  }
  const { payload, protectedHeader } = await jwtVerify(token, keys.find, options).catch((error) => {
    throw error instanceof CurfewError ? error : toTokenError(error)
  })
  if (!profile.types.includes(typeOf(protectedHeader)))
    throw new TokenError('malformed', 'The token is of another type (typ).')
  const claims = readClaims(payload, profile)
  const present = profile.forbidden.find((claim) => payload[claim] !== undefined)
  if (present !== undefined) throw new TokenError('claims', `The token must not have the claim ${present}.`)
  requireTimes(payload, profile, now)
  return claims
}

function requireTimes(
  { iat, exp }: JWTPayload,
  { longestLifeS = Number.POSITIVE_INFINITY }: { longestLifeS?: number },
  now: number,
): void {
  if (iat !== undefined && iat * 1000 > now + TOLERANCE_S * 1000)
    throw new TokenError('time', 'The token was issued in the future (iat).')
  if (iat !== undefined && exp !== undefined && exp - iat > longestLifeS)
    throw new TokenError('time', `The token is good for more than ${longestLifeS} s (exp).`)
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
  throw new TokenError('claims', `This is not ${name}: ${problem}.`)
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

function toTokenError(error: unknown): TokenError {
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
