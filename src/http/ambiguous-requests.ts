import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { CurfewError, invalidMember } from '../base/errors.ts'
import { isOwn } from './own-requests.ts'

/**
 * Rejects requests that a proxy and Curfew could read differently, by their headers alone.
 * - No Host header, or several (RFC 9112, section 3.2).
 * - Several Authorization headers: Node uses the first and drops the others, so a proxy may have checked another one.
 * - Compressed bodies (RFC 9110, section 8.4): nothing decompresses them, so signatures and limits apply to other bytes.
 */
async function ambiguousRequests(app: FastifyInstance) {
  app.addHook('onRequest', async (request, reply) => {
    if (isOwn(request)) return
    const { headers, raw } = request
    const hosts = raw.headersDistinct.host?.length ?? 0
    if (hosts > 1 || (hosts === 0 && raw.httpVersion !== '1.0'))
      throw invalidMember('Host', 'expected one Host header')
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
