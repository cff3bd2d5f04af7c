import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { invalidMember } from '../base/errors.ts'
import { answerSignal, type InboundOptions, REPEATABLE, WAITING } from '../http/answer.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { DRY_RUNS, isDryRun, previewSignal, SIGNAL_ANSWERS, SignalQuery } from '../http/dry-run.ts'
import { SIGNAL_FACTS } from '../http/operation-facts.ts'
import { SignalDetails, toSignal } from '../http/signal-body.ts'
import { Identifier } from '../revocation/signal.ts'

const EXAMPLES = {
  defaults: { summary: 'All tokens of the user', value: {} },
  logout: { summary: 'Only tokens granted before', value: { reason: 'logout', scope: 'issued-before' } },
}

/** `POST /users/:id/revoke-all`: ends the access of a user, given the Qlik user id. */
const revokeAll: FastifyPluginAsyncZod<InboundOptions> = async (app, options) => {
  const { tenants, outbox, clock, dryRun } = options

  app.post(
    '/users/:id/revoke-all',
    {
      config: { senders: ['api-key'], role: 'signal', source: 'revoke-all' },
      // The body is optional. Without this, Fastify would validate a missing body as null.
      preValidation: async (request) => {
        if (request.body === undefined) request.body = {}
      },
      schema: {
        operationId: 'revokeUser',
        summary: "Revoke a user's tokens",
        description: `The body is optional. ${REPEATABLE} ${WAITING} ${DRY_RUNS}`,
        tags: ['signals'],
        security: [{ apiKey: [] }],
        params: z.object({ id: Identifier.describe('Qlik user id') }),
        querystring: SignalQuery.extend({
          tenant: Identifier.optional().describe('Name of the tenant, if the body names none'),
        }),
        body: SignalDetails,
        response: SIGNAL_ANSWERS,
        'x-facts': { ...SIGNAL_FACTS, optionalBody: true, examples: EXAMPLES },
      },
    },
    async (request, reply) => {
      const { params, query, body } = request
      if (query.tenant !== undefined && body.tenant !== undefined && query.tenant !== body.tenant) {
        throw invalidMember('/tenant', 'expected the same tenant as in the query')
      }
      const signal = toSignal(
        { tenant: query.tenant, ...body },
        {
          user: { kind: 'userId', value: params.id },
          source: 'revoke-all',
          defaultReason: 'security',
          sender: provenSender(request),
          tenants,
          outbox,
          now: clock.now(),
        },
      )
      if (isDryRun(request, query)) return previewSignal(request, signal, dryRun)
      return answerSignal(request, reply, signal, options)
    },
  )
}

export default fp(revokeAll, { name: 'revoke-all', ...PROVEN })
