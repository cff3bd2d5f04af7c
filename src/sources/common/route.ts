import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import { soleHeader } from '../../base/sole-header.ts'
import type { SourceKind } from '../kinds.ts'
import type { OpenSource, Sources } from '../sources.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The source that the path names, once it is known to be one. */
    sourceName?: string
  }
}

/** Of every route below `/sources/{name}`. */
export const SourceParams = z.object({ name: z.string().describe('Name of the source in CONFIG_FILE') })

/** What every way in of sources needs, besides what takes its requests. */
export interface SourceRoutes {
  sources: Sources
}

/**
 * A plugin whose routes get the bytes of a body, whatever its type: a source is proven by them, before anything of them
 * is parsed. So the schemas of bodies are for the documentation. Where there is no such source, no body is read.
 * @param kinds those of the sources that its routes are for
 */
export function withRawBodies<Options extends SourceRoutes>(
  kinds: readonly SourceKind[],
  routes: (app: FastifyInstance, options: Options) => void,
): FastifyPluginAsync<Options> {
  return async (app, options) => {
    app.addHook('onRequest', async (request) => {
      sourceOf(request, options.sources, ...kinds)
      // Fastify refuses a type that it cannot read before it is known who asks. Routes look at what was sent.
      request.raw.headers['content-type'] = 'application/octet-stream'
    })
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    app.setValidatorCompiler(() => (value) => ({ value }))
    routes(app, options)
  }
}

/** The bytes of the body; empty where there is none. */
export function bodyOf({ body }: FastifyRequest): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0)
}

/** The content type of the route's bodies. */
export function typeOf({ routeOptions }: FastifyRequest): string {
  return routeOptions.schema?.consumes?.[0] ?? ''
}

/** @throws CURFEW_MEDIA_TYPE, where the request does not say once that its body is of the route's type */
export function requireType(request: FastifyRequest): void {
  const [type] = (soleHeader(request.raw.headersDistinct, 'content-type') ?? '').split(';')
  if (type?.trim().toLowerCase() !== typeOf(request)) throw new CurfewError('CURFEW_MEDIA_TYPE')
}

/** The source that the path names. @throws CURFEW_NOT_FOUND, as for any other path that leads nowhere */
export function sourceOf<K extends SourceKind>(
  request: FastifyRequest,
  sources: Sources,
  ...kinds: K[]
): OpenSource<K> {
  const { name } = SourceParams.parse(request.params)
  const source = sources.find(name, ...kinds)
  if (!source) throw new CurfewError('CURFEW_NOT_FOUND')
  request.sourceName = name
  return source
}
