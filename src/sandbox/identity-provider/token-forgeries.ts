import { type JWTPayload, UnsecuredJWT } from 'jose'
import type { Issuer } from './issuer.ts'
import { issuerKey } from './signing-key.ts'

/** The fault of a token, as `TokenFault` names it. */
export type ForgedFault = 'malformed' | 'key' | 'signature' | 'issuer' | 'audience' | 'time' | 'claims'
export interface Forgery {
  name: string
  token: string
  fault: ForgedFault
  /** Matches the answer's detail. */
  says: RegExp
}

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

type Row = [name: string, token: string | Promise<string>, fault: ForgedFault, says: RegExp]

/**
 * Forgeries of a valid token that apply to every protocol.
 * @param claims of a valid token
 * @param types `typ` of other protocols
 */
export async function forgeries(
  issuer: Pick<Issuer, 'sign' | 'key'>,
  claims: JWTPayload & { iat: number },
  { types, required }: { types: string[]; required: string[] },
): Promise<Forgery[]> {
  const { sign, key } = issuer
  const { alg, kid } = key
  const { iat } = claims
  const [header = '', payload = '', signature = ''] = (await sign(claims)).split('.')
  const other = await issuerKey(kid, alg)
  const elliptic = await issuerKey(kid, 'ES384')
  const hmac = (text: string) => sign(claims, { alg: 'HS256' }, new TextEncoder().encode(text))
  const changed = encoded({ ...claims, jti: 'changed' })
  const critical = encoded({ alg, kid, crit: ['x'], x: 1 })
  const later = claims.exp ? { exp: iat + 120 } : {}
  const table: Row[] = [
    ['alg none', new UnsecuredJWT(claims).encode(), 'signature', /alg/],
    [
      'alg none and the signature of a valid token',
      `${encoded({ alg: 'none', kid })}.${payload}.${signature}`,
      'signature',
      /alg/,
    ],
    ['HS256 with the public key as PEM', hmac(key.pem), 'signature', /alg/],
    ['HS256 with the public key as JWK', hmac(JSON.stringify(key.jwk)), 'signature', /alg/],
    [
      'an algorithm that is not allowed',
      sign(claims, { alg: 'ES384' }, elliptic.privateKey),
      'signature',
      /alg/,
    ],
    [
      "somebody else's key under the issuer's kid",
      sign(claims, {}, other.privateKey),
      'signature',
      /signature/,
    ],
    ["somebody else's key under its own kid", sign(claims, { kid: 'k9' }, other.privateKey), 'key', /kid/],
    ["the issuer's key under an unknown kid", sign(claims, { kid: 'k9' }), 'key', /kid/],
    [
      "somebody else's key in the header",
      sign(claims, { jwk: other.jwk }, other.privateKey),
      'signature',
      /signature/,
    ],
    ['other claims under the signature', `${header}.${changed}.${signature}`, 'signature', /signature/],
    ['no signature', `${header}.${payload}.`, 'signature', /signature/],
    ['an unknown critical header', `${critical}.${payload}.${signature}`, 'malformed', /crit/],
    ['another issuer', sign({ ...claims, iss: 'https://evil.example.com' }), 'issuer', /iss/],
    ['the issuer with a trailing slash', sign({ ...claims, iss: `${claims.iss}/` }), 'issuer', /iss/],
    ['another audience', sign({ ...claims, aud: 'somebody-else' }), 'audience', /aud/],
    ['audiences without ours', sign({ ...claims, aud: ['a', 'b'] }), 'audience', /aud/],
    ['not yet valid', sign({ ...claims, nbf: iat + 90 }), 'time', /nbf/],
    ['issued in the future', sign({ ...claims, iat: iat + 90, ...later }), 'time', /iat/],
    ['expired', sign({ ...claims, iat: iat - 300, exp: iat - 61 }), 'time', /exp/],
    ['a nonce', sign({ ...claims, nonce: 'n' }), 'claims', /nonce/],
    ['a jti that is not a string', sign({ ...claims, jti: 5 }), 'claims', /jti/],
    ['an empty jti', sign({ ...claims, jti: '' }), 'claims', /jti/],
    ['a jti with a null character', sign({ ...claims, jti: 'a\u0000b' }), 'claims', /jti/],
    ['a jti with a lone surrogate', sign({ ...claims, jti: 'a\ud800' }), 'claims', /jti/],
    ['a string that is not a token', 'not-a-token', 'malformed', /JWT/],
    ['two parts', `${header}.${payload}`, 'malformed', /JWT/],
    ['encrypted, not signed', `${header}.a.b.c.d`, 'malformed', /JWT/],
    ['more than 16 KiB', sign({ ...claims, filler: 'x'.repeat(17_000) }), 'malformed', /long/],
    ['two signatures, one of them invalid', twoSignatures(payload, header, signature), 'malformed', /JWT/],
    ...types.map((typ): Row => [`typ ${typ}`, sign(claims, { typ }), 'malformed', /typ/]),
    ...required.map(
      (claim): Row => [`no ${claim}`, sign({ ...claims, [claim]: undefined }), 'claims', new RegExp(claim)],
    ),
  ]
  return Promise.all(
    table.map(async ([name, token, fault, says]) => ({ name, token: await token, fault, says })),
  )
}

/** The general JSON serialization (RFC 7515, section 7.2.1), which is not a JWT. */
function twoSignatures(payload: string, header: string, signature: string): string {
  const signatures = [
    { protected: header, signature },
    { protected: header, signature: `A${signature.slice(1)}` },
  ]
  return JSON.stringify({ payload, signatures })
}
