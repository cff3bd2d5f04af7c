import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { CurfewError, ErrorCode } from '../base/errors.ts'
import type { Origin } from '../revocation/origin.ts'
import { clientAddress } from './client-address.ts'
import { originOf } from './origin-of.ts'
import { toCurfewError } from './problems.ts'
import type { InvalidKey } from './senders.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Label of the route's signals in metrics, if it accepts signals. */
    source?: string
  }
  interface FastifyInstance {
    /** Reports an error that no hook sees. @param signals number of rejected signals, if others in the request are accepted */
    noticeRejection: (request: FastifyRequest, thrown: unknown, signals?: number) => void
  }
  interface FastifyRequest {
    /** The source that the request proves to be from; null on other routes, and until it is authenticated. */
    sourceOrigin: Origin | null
  }
}

/** A request that gets an error, or events or users that are rejected although their request is accepted. */
export interface Rejection {
  error: CurfewError
  code: ErrorCode
  /** Method and pattern of the path, such as `POST /sources/:name/events`; `poll` for events that Curfew fetched. */
  route: string
  /** Label in metrics: of the route, the name of a configured source, `unknown` for other sources, else `api`. */
  source: string
  /** The source that the path names. */
  pathSource: { name: string; isConfigured: boolean } | null
  /** Whether the route takes signals. */
  isSignal: boolean
  /** Number of rejected events or users; null if the request is rejected. */
  events: number | null
  /** Of the client; null if its connection has closed, and for events that Curfew fetched. */
  address: string | null
  /** The sender; null unless it is authenticated. */
  origin: Origin | null
  /** The API key of the request, if it is configured but not valid now. */
  invalidKey: InvalidKey | null
  requestId: string | null
}

/** Events of a source that are rejected for the same reason. */
export interface RejectedEvents extends Pick<Rejection, 'error' | 'route' | 'source' | 'address' | 'origin'> {
  events: number
}

export interface RejectionsOptions {
  /** Called for each request that gets an error. */
  onRejected: (rejection: Rejection) => void
  /** Called for each request of an authenticated sender that gets no error. */
  onAccepted: (origin: Origin) => void
  /** Whether a source of this name is configured. */
  isSource: (name: string) => boolean
}

/** The one place where rejected requests are noticed. */
async function rejections(app: FastifyInstance, { onRejected, onAccepted, isSource }: RejectionsOptions) {
  const notice = (request: FastifyRequest, thrown: unknown, signals?: number) => {
    const error = toCurfewError(thrown)
    // The client disconnected before the end of the body.
    if (error.code === 'CURFEW_BODY_UNREADABLE' && !request.raw.complete) return
    onRejected({ ...rejectionOf(request, error, isSource), events: signals ?? null })
  }
  app.decorateRequest('sourceOrigin', null)
  app.decorate('noticeRejection', notice)
  app.addHook('onError', async (request, _reply, error) => notice(request, error))
  app.addHook('onResponse', async (request, { statusCode }) => {
    const origin = authenticatedOrigin(request)
    if (origin && statusCode < 400) onAccepted(origin)
  })
}

function rejectionOf(
  request: FastifyRequest,
  error: CurfewError,
  isSource: (name: string) => boolean,
): Rejection {
  const { method, url, id, routeOptions, invalidKey } = request
  const { source } = routeOptions.config ?? {}
  const name = /^\/sources\/([^/?]*)/.exec(url)?.[1]
  const pathSource = name === undefined ? null : { name, isConfigured: isSource(name) }
  return {
    error,
    code: error.code,
    route: `${method} ${routeOptions.url ?? (pathSource ? '/sources/*' : '*')}`,
    source: pathSource ? labelOf(pathSource) : (source ?? 'api'),
    pathSource,
    isSignal: source !== undefined || pathSource !== null,
    events: null,
    address: clientAddress(request),
    origin: authenticatedOrigin(request),
    invalidKey,
    requestId: id,
  }
}

function labelOf({ name, isConfigured }: { name: string; isConfigured: boolean }): string {
  return isConfigured ? name : 'unknown'
}

function authenticatedOrigin(request: FastifyRequest): Origin | null {
  return request.sender ? originOf(request) : request.sourceOrigin
}

export function rejectionOfEvents({ error, source, ...rest }: RejectedEvents): Rejection {
  const pathSource = { name: source, isConfigured: true }
  return {
    ...rest,
    ...{ error, code: error.code, source, pathSource, isSignal: true, invalidKey: null, requestId: null },
  }
}

export default fp(rejections, { name: 'rejections', dependencies: ['problems'] })
