import { hash, type KeyObject } from 'node:crypto'

/** Identifies a public key: the SHA-256 of its SubjectPublicKeyInfo (DER), in hex. */
export function publicKeyDigest(key: KeyObject): string {
  return hash('sha256', key.export({ type: 'spki', format: 'der' }))
}
