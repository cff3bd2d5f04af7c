import { createHash } from 'node:crypto'
import { type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import { areEqual } from '../../base/constant-time.ts'
import { CurfewError } from '../../base/errors.ts'
import { ASYMMETRIC } from '../common/entry.ts'
import type { KeySet } from '../token/key-set.ts'
import { LARGEST_TOKEN, TOLERANCE_S, takenUntil } from '../token/verify-token.ts'
import { requiredHeader, unproven, type Verify } from './proof.ts'

const CLAIM = 'request_body_sha256'

/**
 * A header that holds a JWT whose claim `request_body_sha256` is the digest of the body in base64
 * (https://fusionauth.io/docs/extend/events-and-webhooks/signing). By HMAC, or by a key of the sender's key set: an entry
 * has one of both, so that a public key is never taken for a secret.
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
    const { [CLAIM]: told, iat } = claims
    const digest = createHash('sha256').update(body).digest('base64')
    if (typeof told !== 'string' || !areEqual(told, digest))
      throw unproven(`The claim ${CLAIM} is not that of the body.`)
    // jose looks at it only where there is a greatest age.
    if (iat !== undefined && !(iat * 1000 <= now + TOLERANCE_S * 1000))
      throw unproven('The token was issued in the future (iat).')
    return { deliveryId: null, goodUntil: takenUntil(claims) }
  }
}

const NOT_GOOD = 'The token is not signed as it should be, or has expired.'

async function byKeySet(token: string, keys: KeySet, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, keys.find, { ...options, algorithms: [...ASYMMETRIC] })
    return payload
  } catch (error) {
    if (error instanceof CurfewError) throw error
    throw unproven(NOT_GOOD)
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
  throw unproven(NOT_GOOD)
}
