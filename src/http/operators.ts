import type { IncomingMessage, RequestListener, Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { CurfewError } from '../base/errors.ts'
import { OPERATORS_ROLES, type Role } from '../base/role.ts'
import { isOwn } from './own-requests.ts'
import { refuseConnection } from './problems.ts'

/**
 * Connections of the operators' listener, in addition to MAX_CONNECTIONS: probes, monitoring and people. Senders that use up
 * their own do not affect it.
 */
export const OPERATORS_CONNECTIONS = 100

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the public listener hides the route if operators have their own. Default: role `operate` or `admin`. */
    isForOperators?: boolean
  }
  interface FastifyRequest {
    /** The listener that received the request: the operators', the public one beside it, or the only one. */
    readonly listener: 'operators' | 'public' | 'only'
  }
  interface FastifyInstance {
    /** Starts to listen for operators. Returns the URL; null if they have no listener of their own. */
    listenForOperators(): Promise<string | null>
    /** Closes the connections of all listeners, with requests in flight or not. */
    closeAllConnections(): void
  }
}

export interface OperatorsAddress {
  host: string
  /** 0 picks a free one. */
  port: number
}

/** The HTTP server for operators. It shares the routes of the public one. */
export class OperatorsListener {
  readonly #address: OperatorsAddress
  readonly #requests = new WeakSet<IncomingMessage>()
  #server: Server | null = null

  constructor(address: OperatorsAddress) {
    this.#address = address
  }

  /** Creates the server, once, with the handler of the public one. */
  serve(handler: RequestListener, create: (handler: RequestListener) => Server): void {
    this.#server ??= create((request, response) => {
      this.#requests.add(request)
      handler(request, response)
    }).on('clientError', refuseConnection)
  }

  received(request: IncomingMessage): boolean {
    return this.#requests.has(request)
  }

  async listen(): Promise<string> {
    const server = this.#server
    if (!server) throw new Error('The public server is not created yet.')
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(this.#address, () => {
        server.off('error', reject)
        resolve()
      })
    })
    return urlOf(server)
  }

  /** Resolves when the last request is answered. */
  async close(): Promise<void> {
    const server = this.#server
    if (!server?.listening) return
    await new Promise((resolve) => {
      server.close(resolve)
      server.closeIdleConnections()
    })
  }

  closeAllConnections(): void {
    this.#server?.closeAllConnections()
  }
}

function urlOf(server: Server): string {
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('Expected an IP address and a port.')
  const { family, address, port } = bound
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

export interface OperatorsOptions {
  /** Null if operators have no listener of their own. */
  listener: OperatorsListener | null
}

/** On the public listener, operators' routes do not exist: they get the same response as unknown paths, before authentication. */
async function operators(app: FastifyInstance, { listener }: OperatorsOptions) {
  app.decorateRequest('listener', {
    getter() {
      if (listener === null) return 'only'
      return isOwn(this) || listener.received(this.raw) ? 'operators' : 'public'
    },
  })
  app.decorate('listenForOperators', async () => listener?.listen() ?? null)
  app.decorate('closeAllConnections', () => {
    app.server.closeAllConnections()
    listener?.closeAllConnections()
  })
  app.addHook('onRequest', async (request) => {
    const { config } = request.routeOptions
    if (request.listener === 'public' && isForOperators(config)) throw new CurfewError('CURFEW_NOT_FOUND')
  })
}

export function isForOperators({
  isForOperators,
  role,
}: {
  isForOperators?: boolean
  role?: Role | 'any'
}): boolean {
  return isForOperators ?? OPERATORS_ROLES.some((one) => one === role)
}

export default fp(operators, { name: 'operators' })
