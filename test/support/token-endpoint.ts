import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { listen } from './listen.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** The token endpoint of an authorization server on loopback HTTP. It closes with the test. */
export interface TokenEndpoint {
  url: string
  /** The received requests, in order. */
  requests: { method: string; authorization: string; contentType: string; form: Record<string, string> }[]
  /** Whether the header holds a token that is valid now. */
  isGood(authorization: string | undefined): boolean
  /** Invalidates all tokens before they expire. */
  revoke(): void
  /** Replaces the handler; null restores it. */
  answer(handler: Handler | null): void
}

export async function startTokenEndpoint(
  t: Test,
  { lifetimeS, now }: { lifetimeS: number; now: () => number },
): Promise<TokenEndpoint> {
  const requests: TokenEndpoint['requests'] = []
  const good = new Map<string, number>()
  let other: Handler | null = null
  const server = createServer(async (request, response) => {
    requests.push({
      method: String(request.method),
      authorization: String(request.headers.authorization),
      contentType: String(request.headers['content-type']),
      form: Object.fromEntries(new URLSearchParams(await text(request))),
    })
    if (other) return other(request, response)
    const token = `access-token-${requests.length}`
    good.set(`Bearer ${token}`, now() + lifetimeS * 1_000)
    const answer = { access_token: token, token_type: 'bearer', expires_in: lifetimeS }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  const port = await listen(server)
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${port}/token`,
    requests,
    isGood: (authorization = '') => (good.get(authorization) ?? 0) > now(),
    revoke: () => good.clear(),
    answer(handler) {
      other = handler
    },
  }
}
