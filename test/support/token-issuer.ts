import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from 'jose'
import type { Test } from 'tap'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** An issuer of tokens over loopback HTTP, with its keys where discovery says. It ends with the test. */
export interface TokenIssuer {
  url: string
  jwksUri: string
  /** Paths that were asked for. */
  asked: string[]
  /** Its key, for forgers. */
  key: { privateKey: CryptoKey; publicJwk: JWK; publicPem: string }
  /** Answers a path in another way from now on. */
  answer(path: string, handler: Handler): void
  answerJson(path: string, document: unknown): void
  /** A token signed by its key, or by another one, with another header. */
  sign(
    claims: JWTPayload,
    header?: Partial<JWTHeaderParameters>,
    by?: CryptoKey | Uint8Array,
  ): Promise<string>
}

export async function startTokenIssuer(
  t: Pick<Test, 'teardown'>,
  { typ, wellKnown = 'openid-configuration' }: { typ: string; wellKnown?: string },
): Promise<TokenIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const publicJwk: JWK = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }
  const handlers = new Map<string, Handler>()
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://issuer').pathname
    asked.push(path)
    const handler = handlers.get(path)
    if (handler) handler(request, response)
    else response.writeHead(404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer: TokenIssuer = {
    url,
    jwksUri: `${url}/jwks`,
    asked,
    key: { privateKey, publicJwk, publicPem: await exportSPKI(publicKey) },
    answer: (path, handler) => void handlers.set(path, handler),
    answerJson(path, document) {
      handlers.set(path, (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document))
      })
    },
    sign: (claims, header = {}, by = privateKey) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'k1', typ, ...header }).sign(by),
  }
  issuer.answerJson('/jwks', { keys: [publicJwk] })
  issuer.answerJson(`/.well-known/${wellKnown}`, { issuer: url, jwks_uri: `${url}/jwks` })
  return issuer
}
