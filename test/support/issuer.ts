import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from 'jose'
import type { Test } from 'tap'

/** A key of an issuer: the private one, and the public one as its set shows it. */
export interface IssuerKey {
  kid: string | undefined
  alg: string
  privateKey: CryptoKey
  jwk: JWK
}

export async function issuerKey(kid: string | undefined, alg = 'ES256'): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), ...(kid === undefined ? {} : { kid }), use: 'sig' }
  return { kid, alg, privateKey, jwk }
}

/** A JWT by this key; `header` may say otherwise. */
export function sign(
  key: IssuerKey,
  claims: object,
  header: Partial<JWTHeaderParameters> = {},
): Promise<string> {
  const { kid, alg, privateKey } = key
  return new SignJWT({ ...claims }).setProtectedHeader({ alg, kid, ...header }).sign(privateKey)
}

/** A token by hand: any header, any claims, any signature. */
export function unsigned(header: object, claims: object, signature = ''): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.${signature}`
}

/** What a server answers at a path instead of what it would. */
type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** An issuer at loopback HTTP, with discovery and keys. */
export interface Issuer {
  url: string
  /** In its set now. */
  keys: JWK[]
  /** Of each path, how often it was asked for. */
  asked(path: string): number
  /** Answers all that is asked for at this path; null for its own answer again. */
  answer(path: string, answer: Answer | null): void
}

export const DISCOVERY = '/.well-known/openid-configuration'
export const JWKS = '/jwks'

export async function startIssuer(t: Test, keys: readonly IssuerKey[] = []): Promise<Issuer> {
  const counts = new Map<string, number>()
  const answers = new Map<string, Answer>()
  const server = createServer((request, response) => {
    const path = String(request.url)
    counts.set(path, (counts.get(path) ?? 0) + 1)
    const given = answers.get(path)
    if (given) return given(request, response)
    if (path === DISCOVERY)
      return sendJson(response, { issuer: issuer.url, jwks_uri: `${issuer.url}${JWKS}` })
    if (path === JWKS) return sendJson(response, { keys: issuer.keys })
    response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const issuer: Issuer = {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    keys: keys.map(({ jwk }) => jwk),
    asked: (path) => counts.get(path) ?? 0,
    answer(path, answer) {
      if (answer) answers.set(path, answer)
      else answers.delete(path)
    },
  }
  return issuer
}

export function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
