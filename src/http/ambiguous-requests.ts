import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { CurfewError } from '../base/errors.ts'

/**
 * Rejects requests that a proxy and Curfew could read differently, by their headers alone.
 * - Several Authorization headers: Node uses the first and drops the others, so a proxy may have checked another one.
 * - Compressed bodies (RFC 9110, section 8.4): nothing decompresses them, so signatures and limits apply to other bytes.
 */
async function ambiguousRequests(app: FastifyInstance) {
  app.addHook('onRequest', async ({ headers, raw }, reply) => {
    if (headers.authorization !== undefined && raw.headersDistinct.authorization?.length !== 1) {
      reply.header('www-authenticate', 'Bearer')
      throw new CurfewError('CURFEW_UNAUTHENTICATED', 'Expected at most one Authorization header.')
    }
    if (/^(identity)?$/i.test(headers['content-encoding'] ?? '')) return
    // RFC 9110, section 15.5.16.
    reply.header('accept-encoding', 'identity')
    throw new CurfewError('CURFEW_CONTENT_ENCODING')
  })
}

export default fp(ambiguousRequests, { name: 'ambiguous-requests' })
