import Fastify from 'fastify'

/** The baseline: a Fastify that parses the same JSON and does nothing with it. */
const app = Fastify()
app.post('/logout-hook', async (_request, reply) => reply.code(202).send({ accepted: true }))
await app.listen({ port: 0, host: '127.0.0.1' })
process.send?.({ url: app.listeningOrigin })
process.once('SIGTERM', () => process.exit(0))
