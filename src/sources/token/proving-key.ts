/** Modulus of an RSA key, in bytes: 2048 bits at least (RFC 7518, section 3.3); more than 8192 take too long to use. */
const RSA_BYTES = { least: 256, most: 1024 }

/**
 * Whether a key of a set (RFC 7517) may prove anything. A symmetric one is no secret when it stands in a public set, and
 * a private one that does is known to everybody. RSA keys that are too weak are left out, and those that make work.
 */
export function isProvingKey(key: Record<string, unknown>): boolean {
  if (key.d !== undefined || key.k !== undefined) return false
  if (key.kty === 'EC' || key.kty === 'OKP') return true
  if (key.kty !== 'RSA' || typeof key.n !== 'string' || typeof key.e !== 'string') return false
  const modulus = bytesOf(key.n)
  const exponent = bytesOf(key.e)
  // With an exponent of 1 anybody can sign; verifying with a long one takes long.
  const isSafe = exponent.length <= 4 && exponent.readUIntBE(0, exponent.length) >= 3
  return isSafe && modulus.length >= RSA_BYTES.least && modulus.length <= RSA_BYTES.most
}

/** The bytes of a number, without leading zeros; one zero byte for none. */
function bytesOf(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  const start = bytes.findIndex((byte) => byte !== 0)
  return start < 0 ? Buffer.alloc(1) : bytes.subarray(start)
}
