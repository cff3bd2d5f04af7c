import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { z } from 'zod'
import { invalidMember } from '../base/errors.ts'
import { invalidRequest } from './validate.ts'

const Nothing = z.strictObject({})

/**
 * Routes of Curfew's own API, those for proven senders, take no more than they declare: a parameter that is ignored
 * misleads whoever sends it. One that declares no query, or no body, takes none; a body that is an empty object counts
 * as none, since some clients send it always. All other routes ignore what they do not know: sources, since their
 * specifications ask for that, and those for probes and people.
 */
async function strictRoutes(app: FastifyInstance) {
  app.addHook('onRoute', (route) => {
    if (!route.config?.senders) return
    route.schema = { querystring: Nothing, ...route.schema }
  })

  // After authentication, which comes first.
  app.addHook('preValidation', async (request) => {
    const { config, schema } = request.routeOptions
    if (config.senders && !schema?.body) requireNoBody(request)
  })
}

/** @throws CURFEW_REQUEST_INVALID */
function requireNoBody(request: FastifyRequest): void {
  // Fastify leaves the body of a GET unread.
  if (request.rawBody === null && isBodyAnnounced(request)) throw invalidMember('/', 'expected no body')
  const { error } = Nothing.optional().safeParse(request.body)
  if (error) throw invalidRequest(error)
}

function isBodyAnnounced({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

export default fp(strictRoutes, { name: 'strict-routes', dependencies: ['authenticate'] })
