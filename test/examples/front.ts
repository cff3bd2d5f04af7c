import { createServer, type IncomingHttpHeaders, request, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import { listen } from '../support/listen.ts'

/** What happens to a request instead of passing it on to Curfew. */
export type Fate =
  /** The connection is reset, and Curfew never sees the request. */
  | 'reset'
  /** Curfew answers, and the connection is reset before the sender sees the answer. */
  | 'lose-answer'
  /** There is no answer. */
  | 'hang'
  /** Something other than Curfew answers. */
  | { status: number; headers?: Record<string, string>; body?: string }
  /** Called first; then Curfew gets the request. */
  | (() => void | Promise<void>)

export interface Attempt {
  headers: IncomingHttpHeaders
  body: string
}

/** A proxy between an example and Curfew that can fail. */
export interface Front {
  url: string
  /** All requests so far. */
  attempts: Attempt[]
  /** The fates of the next requests, in order. Requests without one are passed on. */
  fates: Fate[]
  /** Called after each answer in place of Curfew's. */
  onAnswered?: () => void
}

/** A front on loopback; it ends with the test. */
export async function startFront(t: Test, curfewUrl: string): Promise<Front> {
  const attempts: Attempt[] = []
  const fates: Fate[] = []
  const front: Front = { url: '', attempts, fates }
  const server = createServer(async (incoming, answer) => {
    const body = await buffer(incoming)
    attempts.push({ headers: incoming.headers, body: body.toString() })
    const fate = fates.shift()
    if (fate === 'hang') return
    if (fate === 'reset') return incoming.socket.resetAndDestroy()
    if (typeof fate === 'function') await fate()
    if (typeof fate === 'object')
      return answer
        .writeHead(fate.status, { ...fate.headers, connection: 'close' })
        .end(fate.body, () => front.onAnswered?.())
    passOn(answer, body, fate === 'lose-answer')
  })
  const passOn = (answer: ServerResponse, body: Buffer, isLost: boolean) => {
    const { method, url, headers } = answer.req
    const outgoing = request(new URL(url ?? '/', curfewUrl), { method, headers, agent: false }, (reply) => {
      if (isLost) return reply.resume().on('end', () => answer.socket?.resetAndDestroy())
      answer.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(answer)
    })
    outgoing.on('error', () => answer.socket?.resetAndDestroy())
    outgoing.end(body)
  }
  const port = await listen(server)
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  front.url = `http://127.0.0.1:${port}`
  return front
}
