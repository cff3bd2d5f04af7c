import Fastify, { type FastifyInstance, LogController } from 'fastify'
import type { Clock } from '../base/clock.ts'
import { type LogStream, loggerOptions } from '../base/log.ts'
import { limitedServer } from './connections.ts'
import { OPERATORS_CONNECTIONS, type OperatorsListener } from './operators.ts'
import { refuseConnection, sendProblem } from './problems.ts'
import type { CountRefusal } from './refusals.ts'
import { validatorCompiler } from './validate.ts'

/** Disconnects slow senders. By default Node checks only every 30 s. */
const HTTP_OPTIONS = { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 500 }

export interface ServerOptions {
  logLevel: string
  /** Connections of the public listener. */
  maxConnections: number
  /** Addresses and networks of proxies; see TRUST_PROXY. */
  trustProxy: string[]
  /** Null if operators have no listener of their own. */
  listener: OperatorsListener | null
  logStream: LogStream | undefined
  /** Adds members to every line of the log. */
  logFields?: (() => object) | undefined
  clock: Clock
  refused: CountRefusal
}

/** A Fastify instance without routes, with limits for slow and oversized requests. */
export function createServer({
  logLevel,
  maxConnections,
  trustProxy,
  listener,
  logStream,
  logFields,
  clock,
  refused,
}: ServerOptions): FastifyInstance {
  const limited = { http: HTTP_OPTIONS, clock, refused }
  const publicServer = limitedServer({ ...limited, maxConnections })
  const operatorsServer = limitedServer({ ...limited, maxConnections: OPERATORS_CONNECTIONS })
  const app: FastifyInstance = Fastify({
    serverFactory: (handler) => {
      // Fastify creates a server for each address of `localhost`.
      listener?.serve(handler, operatorsServer)
      return publicServer(handler)
    },
    trustProxy: trustProxy.length > 0 ? trustProxy : false,
    logger: { ...loggerOptions(logLevel, logFields), ...(logStream ? { stream: logStream } : {}) },
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 64 * 1024,
    // Longer than any URL Node accepts: routes check the length of ids after authentication.
    routerOptions: { maxParamLength: 16_384 },
    clientErrorHandler: refuseConnection,
    frameworkErrors(error, request, reply) {
      request.server.noticeRejection(request, error)
      return sendProblem(error, request, reply)
    },
    // While closing, requests on open connections are still served: the store closes after the last answer.
    return503OnClosing: false,
  })
  app.setValidatorCompiler(validatorCompiler)
  // The compiler already checks answers against their schemas.
  app.setSerializerCompiler(() => JSON.stringify)
  return app
}
