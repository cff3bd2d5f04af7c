import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest, FastifySchema } from 'fastify'
import { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import { soleHeader } from '../../base/sole-header.ts'
import { clientAddress } from '../../http/client-address.ts'
import { readBody } from '../../http/read-body.ts'
import type { Origin } from '../../revocation/origin.ts'
import type { Caller } from './caller.ts'
import type { ConfiguredSource } from './configured-sources.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The source that the path names, once it is known to exist. */
    sourceName?: string
    /** Ends the body's share of the memory for bodies. */
    releaseBody?: () => void
  }
}

/** A plugin with routes below `/sources/{name}`. */
export type SourceRoutes = FastifyPluginAsync

const SourceParams = z.object({ name: z.string().describe('Name of the source in CONFIG_FILE') })

const ERROR_HEADERS = { 401: ['WWW-Authenticate'] } as const

export interface SourceRoute<Source> {
  method: 'GET' | 'POST'
  /** Below `/sources/{name}/`. */
  path: string
  /** For the documentation only: bodies are not parsed before the source is authenticated. */
  schema: FastifySchema
  bodyLimit?: number
  /** Sends errors in the format of the protocol; by default a problem. */
  errorHandler?: FastifyInstance['errorHandler']
  /** Authenticates the source and handles the request. Without `body`, the answer is empty. */
  handle(source: Source, request: FastifyRequest, caller: Caller): Promise<{ status: number; body?: object }>
}

/**
 * A plugin with one route for the sources of a part. The handler receives the raw bytes of the body, regardless of its
 * type, because it authenticates the source before anything parses them. If the path names no source of the part, the
 * body is not read.
 */
export function sourceRoute<Source extends ConfiguredSource>(
  sources: { find(name: string): Source | null },
  { method, path, schema, handle, ...options }: SourceRoute<Source>,
): SourceRoutes {
  return async (app) => {
    app.addHook('onRequest', async (request) => {
      sourceOf(request, sources)
      // Fastify rejects a media type without a parser before the handler runs. Handlers check the original header.
      request.raw.headers['content-type'] = 'application/octet-stream'
    })
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', async (request: FastifyRequest, payload: IncomingMessage) => {
      const { bytes, release } = await readBody(request, payload, app.limits.bodies)
      request.releaseBody = release
      return bytes
    })
    app.setValidatorCompiler(() => (value) => ({ value }))
    app.route({
      method,
      url: `/sources/:name/${path}`,
      config: { isSignal: true },
      schema: {
        ...schema,
        tags: ['sources'],
        params: SourceParams,
        'x-facts': { ...schema['x-facts'], responseHeaders: ERROR_HEADERS },
      },
      ...options,
      handler: async (request, reply) => {
        try {
          const onAuthenticated = (origin: Origin) => {
            request.sourceOrigin = origin
          }
          const caller = { address: clientAddress(request), onAuthenticated }
          const { status, body } = await handle(sourceOf(request, sources), request, caller)
          return reply.header('cache-control', 'no-store').code(status).send(body)
        } catch (error) {
          throw app.limits.failures.judge(clientAddress(request), error)
        } finally {
          request.releaseBody?.()
        }
      },
    })
  }
}

/** An unsigned token, to show the form of bodies. */
export const EXAMPLE_JWT =
  'eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlLmNvbS8ifQ.c2lnbmF0dXJl'

/** The bytes of the body, empty if there is none. */
export function bodyOf({ body }: FastifyRequest): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0)
}

/** The media type of the route's bodies. */
export function typeOf({ routeOptions }: FastifyRequest): string {
  return routeOptions.schema?.consumes?.[0] ?? ''
}

/** @throws CURFEW_MEDIA_TYPE unless exactly one Content-Type header names the route's type */
export function requireType(request: FastifyRequest): void {
  const [type] = (soleHeader(request.raw.headersDistinct, 'content-type') ?? '').split(';')
  if (type?.trim().toLowerCase() !== typeOf(request)) throw new CurfewError('CURFEW_MEDIA_TYPE')
}

/** The source that the path names. @throws CURFEW_NOT_FOUND, as for any path that does not exist */
function sourceOf<Source>(request: FastifyRequest, sources: { find(name: string): Source | null }): Source {
  const { name } = SourceParams.parse(request.params)
  const source = sources.find(name)
  if (!source) throw new CurfewError('CURFEW_NOT_FOUND')
  request.sourceName = name
  return source
}
