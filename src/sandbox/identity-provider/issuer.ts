import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { CryptoKey, JWK } from 'jose'
import { listen } from '../listen.ts'
import { type IssuerKey, issuerKey, signBy } from './signing-key.ts'

/** Replaces a server's answer at a path. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** An issuer of tokens on plain HTTP, with discovery and keys. */
export interface Issuer {
  url: string
  /** The path of its discovery document. */
  discovery: string
  jwksUri: string
  /** The key that signs. */
  key: IssuerKey
  /** Its published JWK set. */
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
  /** Closes the server and every connection. */
  close(): void
}

export const DISCOVERY = '/.well-known/openid-configuration'
export const JWKS = '/jwks'

export interface IssuerOptions {
  key?: IssuerKey
  /** `typ` of the tokens that it signs. */
  typ?: string
  wellKnown?: string
  host?: string
  port?: number
}

/** Maximum number of paths to keep. */
const KEPT_PATHS = 10_000

/** Starts an issuer, by default on a free loopback port. */
export async function openIssuer({
  key,
  typ = 'JWT',
  wellKnown = 'openid-configuration',
  host = '127.0.0.1',
  port = 0,
}: IssuerOptions = {}): Promise<Issuer> {
  const own = key ?? (await issuerKey('k1', 'RS256'))
  const discovery = `/.well-known/${wellKnown}`
  const answers = new Map<string, Answer>()
  const server = createServer((request, response) => {
    const [path = ''] = String(request.url).split('?')
    if (issuer.paths.length < KEPT_PATHS) issuer.paths.push(path)
    const given = answers.get(path)
    if (given) return given(request, response)
    if (path === discovery) return sendJson(response, { issuer: url, jwks_uri: issuer.jwksUri })
    if (path === JWKS) return sendJson(response, { keys: issuer.keys })
    response.writeHead(404).end()
  })
  // Curfew accepts http on loopback only, so a wildcard address becomes loopback.
  const name = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host
  const url = `http://${name.includes(':') ? `[${name}]` : name}:${await listen(server, port, host)}`
  const issuer: Issuer = {
    url,
    discovery,
    jwksUri: `${url}${JWKS}`,
    key: own,
    keys: [own.jwk],
    paths: [],
    asked: (path) => issuer.paths.filter((one) => one === path).length,
    answer(path, answer) {
      if (answer) answers.set(path, answer)
      else answers.delete(path)
    },
    answerJson: (path, document) => issuer.answer(path, (_, response) => sendJson(response, document)),
    sign(claims, header = {}, by = issuer.key.privateKey) {
      const { alg, kid } = issuer.key
      return signBy(by, claims, { alg, kid, typ, ...header })
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
  return issuer
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
