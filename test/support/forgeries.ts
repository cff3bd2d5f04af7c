import { exportJWK, generateKeyPair, type JWTPayload, UnsecuredJWT } from 'jose'
import type { Issuer } from './issuer.ts'

/** What is wrong with a token, in the words of `TokenFault`. */
export type ForgedFault = 'malformed' | 'key' | 'signature' | 'issuer' | 'audience' | 'time' | 'claims'
export interface Forgery {
  name: string
  token: string
  fault: ForgedFault
}

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/**
 * What a forger might send in place of a good token, whatever the protocol.
 * @param claims those of a good token
 * @param types `typ` of other protocols
 */
export async function forgeries(
  issuer: Issuer,
  claims: JWTPayload & { iat: number },
  { types, required }: { types: string[]; required: string[] },
): Promise<Forgery[]> {
  const { sign, key } = issuer
  const { iat } = claims
  const good = await sign(claims)
  const [header = '', payload = '', signature = ''] = good.split('.')
  const other = await generateKeyPair('RS256')
  const elliptic = await generateKeyPair('ES384')
  const hmac = new TextEncoder().encode(key.pem)
  const hmacJwk = new TextEncoder().encode(JSON.stringify(key.jwk))
  const changed = encoded({ ...claims, jti: 'changed' })
  const table: [string, string | Promise<string>, ForgedFault][] = [
    ['alg none', new UnsecuredJWT(claims).encode(), 'signature'],
    [
      'alg none and the signature of a good token',
      `${encoded({ alg: 'none', kid: 'k1' })}.${payload}.${signature}`,
      'signature',
    ],
    ['HS256 with the public key as PEM', sign(claims, { alg: 'HS256' }, hmac), 'signature'],
    ['HS256 with the public key as JWK', sign(claims, { alg: 'HS256' }, hmacJwk), 'signature'],
    ['an algorithm that is not allowed', sign(claims, { alg: 'ES384' }, elliptic.privateKey), 'signature'],
    ["somebody else's key under the issuer's kid", sign(claims, {}, other.privateKey), 'signature'],
    ["somebody else's key under its own kid", sign(claims, { kid: 'k9' }, other.privateKey), 'key'],
    [
      "somebody else's key in the header",
      sign(claims, { jwk: await exportJWK(other.publicKey) }, other.privateKey),
      'signature',
    ],
    ['other claims under the signature', `${header}.${changed}.${signature}`, 'signature'],
    ['no signature', `${header}.${payload}.`, 'signature'],
    [
      'a critical header that is not known',
      sign(claims, { crit: ['x'], x: 1 }).catch(
        () => `${encoded({ alg: 'RS256', kid: 'k1', crit: ['x'], x: 1 })}.${payload}.${signature}`,
      ),
      'malformed',
    ],
    ['another issuer', sign({ ...claims, iss: 'https://evil.example.com' }), 'issuer'],
    ['the issuer with a slash more', sign({ ...claims, iss: `${claims.iss}/` }), 'issuer'],
    ['another audience', sign({ ...claims, aud: 'somebody-else' }), 'audience'],
    ['audiences without ours', sign({ ...claims, aud: ['a', 'b'] }), 'audience'],
    ['not yet valid', sign({ ...claims, nbf: iat + 3_600 }), 'time'],
    [
      'issued in the future',
      sign({ ...claims, iat: iat + 3_600, ...(claims.exp ? { exp: iat + 7_200 } : {}) }),
      'time',
    ],
    ['expired', sign({ ...claims, iat: iat - 7_200, exp: iat - 3_600 }), 'time'],
    ['a nonce', sign({ ...claims, nonce: 'n' }), 'claims'],
    ['a text that is no token', 'not-a-token', 'malformed'],
    ['two parts', `${header}.${payload}`, 'malformed'],
    ['encrypted, not signed', `${header}.a.b.c.d`, 'malformed'],
    ['16 KiB and more', sign({ ...claims, filler: 'x'.repeat(17_000) }), 'malformed'],
    ['two signatures, one of which is bad', twoSignatures(payload, header, signature), 'malformed'],
    ...types.map((typ): [string, Promise<string>, ForgedFault] => [
      `typ ${typ}`,
      sign(claims, { typ }),
      'malformed',
    ]),
    ...required.map((claim): [string, Promise<string>, ForgedFault] => [
      `no ${claim}`,
      sign({ ...claims, [claim]: undefined }),
      'claims',
    ]),
  ]
  return Promise.all(table.map(async ([name, token, fault]) => ({ name, token: await token, fault })))
}

/** The general JSON form of a signed object (RFC 7515, section 7.2.1), which is no JWT. */
function twoSignatures(payload: string, header: string, signature: string): string {
  const signatures = [
    { protected: header, signature },
    { protected: header, signature: `A${signature.slice(1)}` },
  ]
  return JSON.stringify({ payload, signatures })
}
