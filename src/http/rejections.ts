import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { CurfewError, ErrorCode } from '../base/errors.ts'
import type { Origin } from '../revocation/origin.ts'
import { originOf } from './origin-of.ts'
import { toCurfewError } from './problems.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Label of the route's signals in metrics, if it accepts signals. */
    source?: string
  }
  interface FastifyInstance {
    /** Reports an error that no hook sees. */
    noticeRejection: (request: FastifyRequest, thrown: unknown) => void
  }
  interface FastifyRequest {
    /** The source that the request proves to be from; null on other routes, and until it is authenticated. */
    sourceOrigin: Origin | null
  }
}

/** A request that gets an error. */
export interface Rejection {
  error: CurfewError
  code: ErrorCode
  /** Method and pattern of the path, such as `POST /sources/:name/events`. */
  route: string
  /** The label of the route, the name of a configured source, `unknown` below `/sources/`, or `api` for other routes. */
  source: string
  address: string
  /** The sender; null unless it is authenticated. */
  origin: Origin | null
}

export interface RejectionsOptions {
  /** Called for each rejected request of a route, and for each unknown path below `/sources/`. */
  onRejected: (rejection: Rejection, request: FastifyRequest) => void
}

/** The one place where rejected requests are noticed. */
async function rejections(app: FastifyInstance, { onRejected }: RejectionsOptions) {
  const notice = (request: FastifyRequest, thrown: unknown) => {
    const { url } = request.routeOptions
    if (url === undefined && !isBelowSources(request)) return
    onRejected(rejectionOf(request, toCurfewError(thrown)), request)
  }
  app.decorateRequest('sourceOrigin', null)
  app.decorate('noticeRejection', notice)
  app.addHook('onError', async (request, _reply, error) => notice(request, error))
}

function rejectionOf(request: FastifyRequest, error: CurfewError): Rejection {
  const { method, ip, routeOptions, sourceName } = request
  const { url = '/sources/*', config } = routeOptions
  return {
    error,
    code: error.code,
    route: `${method} ${url}`,
    source: config?.source ?? sourceName ?? (isBelowSources(request) ? 'unknown' : 'api'),
    address: ip,
    origin: request.sender ? originOf(request) : request.sourceOrigin,
  }
}

function isBelowSources({ url }: FastifyRequest): boolean {
  return url.startsWith('/sources/')
}

export default fp(rejections, { name: 'rejections', dependencies: ['problems'] })
