import { createPrivateKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import type { SecretFile } from './secret-file.ts'

/** The signature algorithms that Qlik Cloud accepts from an OAuth client (names from RFC 7518, section 3.1). */
export const KEY_ALGORITHMS = ['RS256', 'RS512', 'ES384'] as const
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number]

/** RFC 7518, section 3.3; Qlik requires the same. */
const MIN_RSA_BITS = 2_048

/** A private key that an OAuth client authenticates with (RFC 7523). */
export interface ClientKey {
  kind: 'key'
  /**
   * PEM, PKCS#8. Stored as text because configurations are compared: comparing KeyObjects of different types leaves an
   * error in OpenSSL's queue, which makes reading the next key fail (Node 24).
   */
  pkcs8: string
  algorithm: KeyAlgorithm
  /** The key's `kid` at Qlik, or null if Qlik finds the client's key without one. */
  keyId: string | null
}

/** Optional settings of a key file. A JWK can contain both. */
export interface KeySettings {
  keyId?: string | undefined
  algorithm?: KeyAlgorithm | undefined
}

/** A usable key, or what was expected instead and where. `expected` never quotes the file. */
export type KeyReading =
  | { key: ClientKey; mistake: null }
  | { key: null; mistake: { about: 'file' | 'algorithm'; expected: string } }

const NO_KEY = 'expected a file that holds a private key (PEM or JWK) without a passphrase'

/**
 * Reads the private key in a file: PEM (PKCS#8, PKCS#1 or SEC1) or one JWK (RFC 7517). An RSA key signs with RS256
 * unless `algorithm` or the JWK's `alg` is RS512; a P-384 key signs with ES384. Other keys are rejected.
 */
export function readClientKey(file: SecretFile | null, { keyId, algorithm }: KeySettings): KeyReading {
  if (!file) return mistaken('expected the path of a readable file that others cannot write')
  const read = parseKey(file.text)
  if (!read) return mistaken(NO_KEY)
  const suited = algorithmsOf(read.key)
  if ('expected' in suited) return mistaken(suited.expected)
  const [byDefault, ...others] = suited.algorithms
  const asked = algorithm ?? read.alg ?? byDefault
  const chosen = [byDefault, ...others].find((one) => one === asked)
  if (chosen) {
    const pkcs8 = String(read.key.export({ type: 'pkcs8', format: 'pem' }))
    return {
      key: { kind: 'key', pkcs8, algorithm: chosen, keyId: keyId ?? read.kid ?? null },
      mistake: null,
    }
  }
  const expected = `expected ${suited.algorithms.join(' or ')} for this key`
  return { key: null, mistake: { about: algorithm ? 'algorithm' : 'file', expected } }
}

function mistaken(expected: string): KeyReading {
  return { key: null, mistake: { about: 'file', expected } }
}

const Jwk = z.looseObject({ kid: z.string().min(1).optional(), alg: z.string().optional() })

interface ParsedKey {
  key: KeyObject
  kid?: string | undefined
  alg?: string | undefined
}

function parseKey(text: string): ParsedKey | null {
  try {
    if (!text.startsWith('{')) return { key: createPrivateKey(text) }
    const jwk = Jwk.parse(JSON.parse(text))
    return { key: createPrivateKey({ key: jwk, format: 'jwk' }), kid: jwk.kid, alg: jwk.alg }
  } catch {
    // The error is dropped because it may quote the file.
    return null
  }
}

function algorithmsOf({
  asymmetricKeyType: type,
  asymmetricKeyDetails: details,
}: KeyObject): { algorithms: [KeyAlgorithm, ...KeyAlgorithm[]] } | { expected: string } {
  if (type === 'rsa') {
    return (details?.modulusLength ?? 0) >= MIN_RSA_BITS
      ? { algorithms: ['RS256', 'RS512'] }
      : { expected: `expected an RSA key of at least ${MIN_RSA_BITS} bits` }
  }
  if (type === 'ec' && details?.namedCurve === 'secp384r1') return { algorithms: ['ES384'] }
  return { expected: 'expected an RSA key, or an EC key on the curve P-384' }
}
