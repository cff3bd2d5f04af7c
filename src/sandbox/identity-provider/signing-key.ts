import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose'

/** A key of an issuer: the private key, and the public key as in its JWK set and as PEM. */
export interface IssuerKey {
  kid: string
  alg: string
  privateKey: CryptoKey
  jwk: JWK
  pem: string
}

export async function issuerKey(kid: string, alg = 'ES256'): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid, use: 'sig' }
  return { kid, alg, privateKey, jwk, pem: await exportSPKI(publicKey) }
}

/** A JWT signed by this key; `header` overrides header members. */
export function sign({ kid, alg, privateKey }: IssuerKey, claims: object, header: object = {}) {
  return signBy(privateKey, claims, { alg, kid, ...header })
}

export function signBy(
  key: CryptoKey | Uint8Array,
  claims: object,
  header: JWTHeaderParameters,
): Promise<string> {
  return new SignJWT({ ...claims }).setProtectedHeader(header).sign(key)
}

/** A token from any header, claims and signature. */
export function unsigned(header: object, claims: object, signature = ''): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.${signature}`
}
