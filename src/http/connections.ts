import {
  createServer,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { abandon } from './abandon.ts'
import { BodyPace } from './body-pace.ts'
import { ConnectionRoom } from './connection-room.ts'
import { closingResponse } from './problems.ts'
import type { CountRefusal } from './refusals.ts'

/** Requests of one connection that are not finished. Clients that pipeline use a depth of 1 to 10; proxies do not pipeline. */
export const MAX_PIPELINED = 16
/** Handled in one turn of the event loop, for all connections together. */
const PIPELINED_PER_TURN = 50
/** Time in which a client must read a response that is complete. */
export const READ_WITHIN_MS = 20_000
/** Time without a byte in either direction. Longer than the longest `Prefer: wait`, 30 s. */
const SILENCE_MS = 45_000

const MANY_CHUNKS = 'The body has thousands of small chunks. Send fewer, larger ones.'

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
 * responses that it does not read. Node parses pipelined requests as fast as they arrive, whether responses are read or not, and
 * up to 2 MB of them from each connection in one turn of the event loop. Here, a turn handles one request of each connection.
 */
export function limitedServer({
  http: httpOptions,
  maxConnections,
  clock,
  refused,
}: ConnectionOptions): (handler: RequestListener) => Server {
  return (handler) => {
    const queues = new WeakMap<Socket, RequestQueue>()
    const bodies = new BodyPace(clock)
    const turns = new Turns()
    const serve: RequestListener = (request, response) => {
      const { socket } = request
      room.noteRequest(socket)
      // Node parses what it has received from a closed connection.
      if (socket.destroyed) return
      // After a response with `Connection: close`.
      if (socket.writableEnded) return abandon(socket)
      const queue = queues.get(socket) ?? new RequestQueue(socket, turns)
      queues.set(socket, queue)
      if (queue.length >= MAX_PIPELINED) {
        refused('pipelining')
        abandon(socket)
        return
      }
      queue.add(() => {
        if (socket.writableEnded) return
        closeUnread(response, { socket, clock, refused })
        bodies.limit(request, response, () => {
          refused('chunks')
          abandon(socket, response.headersSent ? undefined : closingResponse('400 Bad Request', MANY_CHUNKS))
        })
        response.once('close', () => {
          queue.next(() => {
            // Its client would keep it open, and the shutdown would wait.
            if (!server.listening) server.closeIdleConnections()
          })
        })
        handler(request, response)
      })
    }
    // Node would reject a request without Host without a body; `ambiguous-requests` does it with one.
    const server = createServer({ ...httpOptions, requireHostHeader: false }, serve)
    // The same for unknown expectations, which a server may ignore (RFC 9110, section 10.1.1).
    server.on('checkExpectation', serve)
    server.keepAliveTimeout = KEEP_ALIVE_MS
    server.setTimeout(SILENCE_MS)
    const room = new ConnectionRoom(server, maxConnections, refused)
    return server
  }
}

/**
 * The requests of one connection, handled one after the other. Each waits for a turn of the event loop of its own. A large body
 * that is pipelined behind a long `Prefer: wait` times out: clients should not pipeline after a POST (RFC 9112, section 9.3.2).
 */
class RequestQueue {
  readonly #turns: Turns
  #waiting: (() => void)[] = []

  constructor(socket: Socket, turns: Turns) {
    this.#turns = turns
    socket.once('close', () => {
      this.#waiting = []
    })
  }

  get length(): number {
    return this.#waiting.length
  }

  add(handle: () => void): void {
    this.#waiting.push(handle)
    if (this.#waiting.length === 1) handle()
  }

  /** Ends the first one, and handles the next one. */
  next(onEmpty: () => void): void {
    const next = () => {
      this.#waiting.shift()
      if (this.#waiting.length === 0) onEmpty()
      this.#waiting[0]?.()
    }
    if (this.#waiting.length > 1) this.#turns.add(next)
    else setImmediate(next)
  }
}

/**
 * Pipelined requests of all connections: a limited number in each turn of the event loop. First requests of connections are
 * handled as they arrive, so a thousand pipelining clients do not delay others.
 */
class Turns {
  readonly #waiting: (() => void)[] = []

  add(handle: () => void): void {
    this.#waiting.push(handle)
    if (this.#waiting.length === 1) setImmediate(() => this.#handleSome())
  }

  #handleSome(): void {
    for (const handle of this.#waiting.slice(0, PIPELINED_PER_TURN)) handle()
    this.#waiting.splice(0, PIPELINED_PER_TURN)
    if (this.#waiting.length > 0) setImmediate(() => this.#handleSome())
  }
}

/** Closes a connection whose client does not read a complete response in time. */
function closeUnread(
  response: ServerResponse,
  { socket, clock, refused }: { socket: Socket; clock: Clock; refused: CountRefusal },
): void {
  let cancel = () => {}
  response.once('prefinish', () => {
    if (socket.writableLength === 0) return
    cancel = clock.after(READ_WITHIN_MS, () => {
      refused('unread')
      socket.destroy()
    })
    socket.once('close', cancel)
  })
  response.once('close', () => {
    cancel()
    socket.off('close', cancel)
  })
}
