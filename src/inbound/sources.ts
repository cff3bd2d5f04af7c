import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import { CurfewError } from '../errors.ts'
import type { Accept } from '../revocation/accept.ts'
import type { SourceKind } from '../sources/source-kinds.ts'
import type { OpenSource, Sources } from '../sources/sources.ts'
import type { InboundOptions } from './answer.ts'

/** What the ways in of identity providers need. */
export interface SourceRouteOptions extends Pick<InboundOptions, 'tenants' | 'clock'> {
  accept: Accept
  sources: Sources
}

/**
 * A plugin whose routes get the bytes of a body, whatever its type: a source is proven by them, before anything of them
 * is parsed.
 */
export function withRawBodies(
  routes: (app: FastifyInstance, options: SourceRouteOptions) => void,
): FastifyPluginAsync<SourceRouteOptions> {
  return async (app, options) => {
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    routes(app, options)
  }
}

/** The bytes of the body; empty where there is none. */
export function bodyOf({ body }: FastifyRequest): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0)
}

/** The source that the path names. @throws CURFEW_NOT_FOUND, as for any other path that leads nowhere */
export function sourceOf<K extends SourceKind>(
  request: FastifyRequest,
  sources: Sources,
  ...kinds: K[]
): OpenSource<K> {
  const { name } = request.params as { name: string }
  const source = sources.find(name, ...kinds)
  if (!source) throw new CurfewError('CURFEW_NOT_FOUND')
  return source
}
