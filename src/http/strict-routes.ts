import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { z } from 'zod'
import { invalidMember } from '../base/errors.ts'
import { invalidRequest } from './validate.ts'

const Nothing = z.strictObject({})

/**
 * Routes of Curfew's own API, which require authentication, reject parameters and body members that they do not
 * declare: ignoring them would mislead the caller. A route that declares no query or no body accepts none. An empty
 * object counts as no body, because some clients always send one. All other routes ignore what they do not know: routes
 * of sources because their specifications require it, and routes for probes and people.
 */
async function strictRoutes(app: FastifyInstance) {
  app.addHook('onRoute', (route) => {
    if (!route.config?.senders) return
    route.schema = { querystring: Nothing, ...route.schema }
  })

  // Authentication runs earlier, in `onRequest` and in the parser.
  app.addHook('preValidation', async (request) => {
    const { config, schema } = request.routeOptions
    if (config.senders && !schema?.body) requireNoBody(request)
  })
}

/** @throws CURFEW_REQUEST_INVALID */
function requireNoBody(request: FastifyRequest): void {
  // Fastify does not read the body of a GET request.
  if (request.rawBody === null && isBodyAnnounced(request)) throw invalidMember('/', 'expected no body')
  const { error } = Nothing.optional().safeParse(request.body)
  if (error) throw invalidRequest(error)
}

function isBodyAnnounced({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

export default fp(strictRoutes, { name: 'strict-routes', dependencies: ['authenticate'] })
