import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Responses name users and revocations: caches must not store them, and browsers must not guess another type. */
export const PRIVATE = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

/** Sets these headers on every response. Handlers can override them. */
async function privateResponses(app: FastifyInstance) {
  app.addHook('onRequest', async (_request, reply) => void reply.headers(PRIVATE))
}

export default fp(privateResponses, { name: 'private-responses' })
