/**
 * Size of an RSA modulus in bytes: at least 2048 bits (RFC 7518, section 3.3); above 8192 bits, verifying takes too
 * long.
 */
const RSA_BYTES = { min: 256, max: 1024 }

/**
 * Whether a key of a set (RFC 7517) is accepted for verifying tokens. Symmetric and private keys in a public set are
 * not secret. RSA keys that are too weak or too expensive to use are ignored.
 */
export function isProvingKey(key: Record<string, unknown>): boolean {
  if (key.d !== undefined || key.k !== undefined) return false
  if (key.kty === 'EC' || key.kty === 'OKP') return true
  if (key.kty !== 'RSA' || typeof key.n !== 'string' || typeof key.e !== 'string') return false
  const modulus = bytesOf(key.n)
  const exponent = bytesOf(key.e)
  // With an exponent of 1, anyone can sign. Verifying with a long exponent is slow.
  const isSafe = exponent.length <= 4 && exponent.readUIntBE(0, exponent.length) >= 3
  return isSafe && modulus.length >= RSA_BYTES.min && modulus.length <= RSA_BYTES.max
}

/** The bytes of a number without leading zeros; one zero byte if it is empty. */
function bytesOf(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  const start = bytes.findIndex((byte) => byte !== 0)
  return start < 0 ? Buffer.alloc(1) : bytes.subarray(start)
}
