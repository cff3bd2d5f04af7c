import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { CountRefusal } from './refusals.ts'

/** HTTP clients that pipeline use a depth of 1 to 10; proxies do not pipeline. */
export const MAX_IN_FLIGHT_PER_CONNECTION = 16
/** Time in which a client must read a response that is complete. */
export const READ_WITHIN_MS = 20_000
/** Time without a byte in either direction. Longer than the longest `Prefer: wait`, 30 s. */
const SILENCE_MS = 45_000

/** Longer than proxies keep connections, so that they do not send on one that closes. Fastify's default. */
const KEEP_ALIVE_MS = 72_000

export interface ConnectionOptions {
  http: ServerOptions
  maxConnections: number
  clock: Clock
  refused: CountRefusal
}

/**
 * Creates HTTP servers that limit what a client costs before a route sees its requests: connections, pipelined requests, and
 * responses that it does not read. Node parses pipelined requests as fast as they arrive, whether responses are read or not.
 */
export function limitedServer({
  http: httpOptions,
  maxConnections,
  clock,
  refused,
}: ConnectionOptions): (handler: RequestListener) => Server {
  return (handler) => {
    const inFlight = new WeakMap<Socket, number>()
    const serve: RequestListener = (request, response) => {
      const { socket } = request
      // Node parses the rest of what it has received from a closed connection.
      if (socket.destroyed) return
      const count = (inFlight.get(socket) ?? 0) + 1
      if (count > MAX_IN_FLIGHT_PER_CONNECTION) {
        refused('pipelining')
        abandon(socket)
        return
      }
      inFlight.set(socket, count)
      let cancel = () => {}
      response.once('prefinish', () => {
        if (socket.writableLength === 0) return
        cancel = clock.after(READ_WITHIN_MS, () => {
          refused('unread')
          socket.destroy()
        })
        // A response does not notice that its connection closes while it waits for another one.
        socket.once('close', cancel)
      })
      response.once('close', () => {
        const left = (inFlight.get(socket) ?? 1) - 1
        inFlight.set(socket, left)
        // Its client would keep it open, and the shutdown would wait.
        if (left === 0 && !server.listening) server.closeIdleConnections()
        cancel()
        socket.off('close', cancel)
      })
      handler(request, response)
    }
    // Node would reject a request without Host without a body; `ambiguous-requests` does it with one.
    const server = createServer({ ...httpOptions, requireHostHeader: false }, serve)
    // The same for unknown expectations, which a server may ignore (RFC 9110, section 10.1.1).
    server.on('checkExpectation', serve)
    server.keepAliveTimeout = KEEP_ALIVE_MS
    server.setTimeout(SILENCE_MS)
    server.maxConnections = maxConnections
    makeRoom(server, refused)
    return server
  }
}

/**
 * Closes a connection, and skips the requests in the rest of what it has sent, up to 64 KB. For each of a thousand requests, Node
 * would create a response, and an error with a stack trace.
 */
function abandon(socket: Socket & { parser?: unknown }): void {
  const { parser } = socket
  // Not documented by Node; without it, closing only costs more.
  if (typeof parser === 'object' && parser !== null && 'onIncoming' in parser) parser.onIncoming = () => 0
  socket.destroy()
}

/** Connections without a request in flight give way to new ones. */
function makeRoom(server: Server, refused: CountRefusal): void {
  server.on('drop', () => {
    refused('connections')
    server.closeIdleConnections()
  })
}
