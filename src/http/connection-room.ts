import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { CountRefusal } from './refusals.ts'

/** Share of the connections that is kept free. */
const SPARE = 0.05

/**
 * Keeps connections free for new clients. When nearly all are in use, those without a request in flight are closed, and for each
 * new connection the oldest one that has not sent a request.
 */
export class ConnectionRoom {
  readonly #open = new Set<Socket>()
  /** Those without a request so far, the oldest first. Node does not count them as idle. */
  readonly #silent = new Set<Socket>()

  constructor(server: Server, maxConnections: number, refused: CountRefusal) {
    server.maxConnections = maxConnections
    const most = Math.floor(maxConnections * (1 - SPARE))
    server.on('connection', (socket) => {
      this.#open.add(socket)
      this.#silent.add(socket)
      socket.once('close', () => this.#forget(socket))
      if (this.#open.size <= most) return
      server.closeIdleConnections()
      this.#closeOldestSilent(socket)
    })
    server.on('drop', () => {
      refused('connections')
      server.closeIdleConnections()
    })
  }

  /** Records that a connection has sent a request. */
  noteRequest(socket: Socket): void {
    this.#silent.delete(socket)
  }

  #closeOldestSilent(newest: Socket): void {
    const [oldest] = this.#silent
    if (!oldest || oldest === newest) return
    this.#forget(oldest)
    oldest.destroy()
  }

  #forget(socket: Socket): void {
    this.#open.delete(socket)
    this.#silent.delete(socket)
  }
}
