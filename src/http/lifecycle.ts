import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    lifecycle: {
      isStopping: () => boolean
      /** From now on readiness says no; everything is served as before, until the app is closed. */
      beginStopping: () => void
    }
  }
}

/** Tells whether the service is about to end. Closing it says so, too. */
async function lifecycle(app: FastifyInstance) {
  let stopping = false
  const beginStopping = () => {
    stopping = true
  }
  app.decorate('lifecycle', { isStopping: () => stopping, beginStopping })
  app.addHook('preClose', async () => beginStopping())
  // Whoever keeps a connection, like a client behind a Kubernetes Service, would come back to this replica.
  app.addHook('onRequest', async (_request, reply) => {
    if (stopping) reply.header('connection', 'close')
  })
}

export default fp(lifecycle, { name: 'lifecycle' })
