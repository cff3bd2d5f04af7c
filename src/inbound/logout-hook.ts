import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { RevocationView } from '../revocation/revocation-view.ts'
import { answerSignal, type InboundOptions, REPEATABLE, WAITING } from './answer.ts'
import { PROVEN, provenSender } from './authenticate.ts'
import { problemAnswer } from './problems.ts'
import { LogoutBody, toSignal, userOf } from './signal-body.ts'

/** `POST /logout-hook`: a web back end or a session store says that a user has logged out. */
const logoutHook: FastifyPluginAsyncZod<InboundOptions> = async (app, options) => {
  const { tenants, clock } = options

  app.post(
    '/logout-hook',
    {
      config: { senders: ['webhook', 'api-key'], source: 'logout-hook' },
      schema: {
        summary: 'A user has logged out, or their session has expired',
        description:
          'Signed by Standard Webhooks (`webhook-*` or `svix-*` headers), or with an API key. ' +
          `${REPEATABLE} ${WAITING}`,
        tags: ['signals'],
        security: [{ webhook: [] }, { apiKey: [] }],
        body: LogoutBody,
        response: { 200: RevocationView, 202: RevocationView, default: problemAnswer },
      },
    },
    async (request, reply) => {
      const { userId, subject, email, ...details } = request.body
      const signal = toSignal(details, {
        user: userOf({ userId, subject, email }),
        source: 'logout-hook',
        defaultReason: 'logout',
        sender: provenSender(request),
        tenants,
        now: clock.now(),
      })
      return answerSignal(request, reply, signal, options)
    },
  )
}

export default fp(logoutHook, { name: 'logout-hook', ...PROVEN })
