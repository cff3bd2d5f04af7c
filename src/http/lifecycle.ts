import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    lifecycle: {
      isStopping: () => boolean
      /** Makes readiness fail. Requests are still served until the app is closed. */
      beginStopping: () => void
    }
  }
}

/** Tracks whether the service is stopping. Closing the app also marks it as stopping. */
async function lifecycle(app: FastifyInstance) {
  let stopping = false
  const beginStopping = () => {
    stopping = true
  }
  app.decorate('lifecycle', { isStopping: () => stopping, beginStopping })
  app.addHook('preClose', async () => beginStopping())
  // A client that keeps its connection, for example through a Kubernetes Service, would keep reaching this replica.
  app.addHook('onRequest', async (_request, reply) => {
    if (stopping) reply.header('connection', 'close')
  })
}

export default fp(lifecycle, { name: 'lifecycle' })
