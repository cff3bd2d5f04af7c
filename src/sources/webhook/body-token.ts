import { createHash } from 'node:crypto'
import { type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import { areEqual } from '../../base/constant-time.ts'
import { CurfewError } from '../../base/errors.ts'
import { ASYMMETRIC } from '../common/entry.ts'
import type { KeySet } from '../token/key-set.ts'
import { acceptedUntil, LARGEST_TOKEN, TOLERANCE_S } from '../token/verify-token.ts'
import { requiredHeader, unproven, type Verify } from './proof.ts'

const CLAIM = 'request_body_sha256'

/**
 * Verifies a header with a JWT whose claim `request_body_sha256` is the digest of the body in base64
 * (https://fusionauth.io/docs/extend/events-and-webhooks/signing). It is signed with HMAC or with a key of the sender's
 * key set. An entry has only one of the two, so that a public key is never used as a secret.
 */
export function bodyToken(
  name: string,
  { secrets, keys }: { secrets: readonly string[]; keys: KeySet | null },
): Verify {
  const macKeys = secrets.map((secret) => Buffer.from(secret, 'utf8'))
  return async ({ headers, body, now }) => {
    const token = requiredHeader(headers, name)
    if (token.length > LARGEST_TOKEN) throw unproven('The token is too long.')
    const options = { clockTolerance: TOLERANCE_S, currentDate: new Date(now) }
    const claims = keys ? await byKeySet(token, keys, options) : await bySecret(token, macKeys, options)
    const { [CLAIM]: claimed, iat } = claims
    const digest = createHash('sha256').update(body).digest('base64')
    if (typeof claimed !== 'string' || !areEqual(claimed, digest))
      throw unproven(`The claim ${CLAIM} does not match the body.`)
    // jose checks it only if a maximum age is set.
    if (iat !== undefined && !(iat * 1000 <= now + TOLERANCE_S * 1000))
      throw unproven('The token was issued in the future (iat).')
    return { deliveryId: null, validUntil: acceptedUntil(claims) }
  }
}

const INVALID = 'The signature of the token is invalid, or the token has expired.'

async function byKeySet(token: string, keys: KeySet, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    const { payload } = await keys.verify(token, { ...options, algorithms: [...ASYMMETRIC] })
    return payload
  } catch (error) {
    if (error instanceof CurfewError) throw error
    throw unproven(INVALID)
  }
}

async function bySecret(
  token: string,
  keys: readonly Buffer[],
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  const algorithms = ['HS256', 'HS384', 'HS512']
  const tries = keys.map((key) => jwtVerify(token, key, { ...options, algorithms }))
  for (const result of await Promise.allSettled(tries)) {
    if (result.status === 'fulfilled') return result.value.payload
  }
  throw unproven(INVALID)
}
