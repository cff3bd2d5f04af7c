import { createHash } from 'node:crypto'

const DIGEST = /^sha256:([0-9a-f]{64})$/i

/**
 * The SHA-256 of an API key, in hex. The configuration contains the key itself or `sha256:` and this digest. A fast,
 * unsalted digest suffices because keys are random: a digest cannot be reversed by guessing.
 */
export function digestOfConfigured(keyOrDigest: string): string {
  return DIGEST.exec(keyOrDigest)?.[1]?.toLowerCase() ?? digestOfKey(keyOrDigest)
}

/** The SHA-256 of an API key, in hex. A key that looks like a digest is hashed like any other. */
export function digestOfKey(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

/** Whether a text is `sha256:` and a digest. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text)
}
