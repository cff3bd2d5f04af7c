import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { ClientKey, KeyAlgorithm } from '../../src/base/client-key.ts'
import type { PublicKey } from '../../src/sandbox/client-assertion.ts'

/** A key of an OAuth client: the file for Curfew, and the public key that Qlik knows. */
export interface ClientKeyPair {
  privateKey: KeyObject
  credential: ClientKey
  pem: string
  publicKey: PublicKey
}

export function clientKeyPair(algorithm: KeyAlgorithm = 'ES384', keyId: string | null = null): ClientKeyPair {
  const { privateKey, publicKey } =
    algorithm === 'ES384' ? ecPair('P-384') : generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const kid = keyId === null ? {} : { kid: keyId }
  const pem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  return {
    privateKey,
    credential: { kind: 'key', pkcs8: pem, algorithm, keyId },
    pem,
    publicKey: { ...publicJwk(publicKey), alg: algorithm, ...kid },
  }
}

export const ecPair = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })

export function publicJwk(key: KeyObject): PublicKey {
  const { kty = '', ...members } = key.export({ format: 'jwk' })
  return { kty, ...members }
}
