import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { hasCode } from '../base/errors.ts'
import { BodyMemory } from './body-memory.ts'
import { FailedAttempts, type FailedAttemptsOptions } from './failed-attempts.ts'

/** For all bodies of requests that are not authenticated. Signals have less than 1 KB, batches of vendors up to 1 MiB. */
export const BODY_MEMORY_BYTES = 16 * 1024 * 1024

declare module 'fastify' {
  interface FastifyInstance {
    /** What requests may cost before they are authenticated. */
    limits: { bodies: BodyMemory; failures: FailedAttempts }
  }
}

async function limits(app: FastifyInstance, options: FailedAttemptsOptions) {
  app.decorate('limits', {
    bodies: new BodyMemory(BODY_MEMORY_BYTES, options.refused),
    failures: new FailedAttempts(options),
  })
  // So that each further guess costs a connection.
  app.addHook('onError', async (_request, reply, error) => {
    if (hasCode(error, 'CURFEW_TOO_MANY_FAILURES')) reply.header('connection', 'close')
  })
}

export default fp(limits, { name: 'limits' })
