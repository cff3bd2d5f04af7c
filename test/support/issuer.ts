import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose'
import type { Test } from 'tap'
import { listen } from './listen.ts'

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

function signBy(key: CryptoKey | Uint8Array, claims: object, header: JWTHeaderParameters): Promise<string> {
  return new SignJWT({ ...claims }).setProtectedHeader(header).sign(key)
}

/** A token from any header, claims and signature. */
export function unsigned(header: object, claims: object, signature = ''): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.${signature}`
}

/** Replaces a server's answer at a path. */
type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** An issuer of tokens on loopback HTTP, with discovery and keys. It closes with the test. */
export interface Issuer {
  url: string
  /** The path of its discovery document. */
  discovery: string
  jwksUri: string
  key: IssuerKey
  /** Its current JWK set: its key, until a test changes it. */
  keys: JWK[]
  /** The requested paths, in order. */
  paths: string[]
  /** How many times this path was requested. */
  asked(path: string): number
  /** Overrides the answer at this path; null restores it. */
  answer(path: string, answer: Answer | null): void
  answerJson(path: string, document: unknown): void
  /** A token signed by its key; another header and another key are optional. */
  sign(claims: object, header?: object, by?: CryptoKey | Uint8Array): Promise<string>
}

export const DISCOVERY = '/.well-known/openid-configuration'
export const JWKS = '/jwks'

interface IssuerOptions {
  key?: IssuerKey
  /** `typ` of the tokens that it signs. */
  typ?: string
  wellKnown?: string
}

export async function startIssuer(
  t: Pick<Test, 'teardown'>,
  { key, typ = 'JWT', wellKnown = 'openid-configuration' }: IssuerOptions = {},
): Promise<Issuer> {
  const own = key ?? (await issuerKey('k1', 'RS256'))
  const { alg, kid, jwk, privateKey } = own
  const discovery = `/.well-known/${wellKnown}`
  const answers = new Map<string, Answer>()
  const server = createServer((request, response) => {
    const path = new URL(String(request.url), url).pathname
    issuer.paths.push(path)
    const given = answers.get(path)
    if (given) return given(request, response)
    if (path === discovery) return sendJson(response, { issuer: url, jwks_uri: issuer.jwksUri })
    if (path === JWKS) return sendJson(response, { keys: issuer.keys })
    response.writeHead(404).end()
  })
  const url = `http://127.0.0.1:${await listen(server)}`
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer: Issuer = {
    url,
    discovery,
    jwksUri: `${url}${JWKS}`,
    key: own,
    keys: [jwk],
    paths: [],
    asked: (path) => issuer.paths.filter((one) => one === path).length,
    answer(path, answer) {
      if (answer) answers.set(path, answer)
      else answers.delete(path)
    },
    answerJson: (path, document) => issuer.answer(path, (_, response) => sendJson(response, document)),
    sign: (claims, header = {}, by = privateKey) => signBy(by, claims, { alg, kid, typ, ...header }),
  }
  return issuer
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
