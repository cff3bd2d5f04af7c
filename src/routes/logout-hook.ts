import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { answerSignal, type InboundOptions, REPEATABLE, WAITING } from '../http/answer.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { DRY_RUNS, isDryRun, previewSignal, SIGNAL_ANSWERS, SignalQuery } from '../http/dry-run.ts'
import { SIGNAL_FACTS, SIGNATURE_HEADERS } from '../http/operation-facts.ts'
import { LogoutBody, toSignal, userOf } from '../http/signal-body.ts'

const EXAMPLES = {
  logout: { summary: 'A user logged out', value: { email: 'ann@example.com' } },
  expired: {
    summary: 'A session expired',
    value: {
      subject: 'auth0|507f1f77bcf86cd799439011',
      reason: 'session-expired',
      occurredAt: '2026-05-04T12:00:00Z',
    },
  },
  device: {
    summary: 'A logout on one device',
    value: { userId: '66a9eafe2f4c4b5b8a1d2c3e', deviceType: 'Browser' },
  },
}

const LogoutQuery = SignalQuery.extend({
  sender: z
    .string()
    .max(64)
    .optional()
    .describe('Signed requests only: name of the webhook secret, which is then tried first'),
})

/** `POST /logout-hook`: a web back end or session store reports that a user has logged out. */
const logoutHook: FastifyPluginAsyncZod<InboundOptions> = async (app, options) => {
  const { dryRun, tenants, outbox, clock } = options

  app.post(
    '/logout-hook',
    {
      config: { senders: ['webhook', 'api-key'], role: 'signal', source: 'logout-hook' },
      schema: {
        operationId: 'reportLogout',
        summary: 'Report that a user has logged out or that their session has expired',
        description:
          'Authenticate with a Standard Webhooks signature (`webhook-*` or `svix-*` headers) or an API key. ' +
          `${REPEATABLE} ${WAITING} ${DRY_RUNS}`,
        tags: ['signals'],
        security: [{ apiKey: [] }, { webhook: [] }],
        querystring: LogoutQuery,
        body: LogoutBody,
        response: SIGNAL_ANSWERS,
        'x-facts': {
          ...SIGNAL_FACTS,
          requestHeaders: [...SIGNAL_FACTS.requestHeaders, ...SIGNATURE_HEADERS],
          examples: EXAMPLES,
        },
      },
    },
    async (request, reply) => {
      const isDry = isDryRun(request, request.query)
      const { userId, subject, email, ...details } = request.body
      const signal = toSignal(details, {
        user: userOf({ userId, subject, email }),
        source: 'logout-hook',
        defaultReason: 'logout',
        sender: provenSender(request),
        tenants,
        outbox,
        now: clock.now(),
      })
      if (isDry) return previewSignal(request, signal, dryRun)
      return answerSignal(request, reply, signal, options)
    },
  )
}

export default fp(logoutHook, { name: 'logout-hook', ...PROVEN })
