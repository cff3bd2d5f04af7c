import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { invalidMember } from '../errors.ts'
import { type DryRun, TokenView } from '../revocation/dry-run.ts'
import { RevocationView } from '../revocation/revocation-view.ts'
import { Identifier } from '../revocation/signal.ts'
import { answerSignal, type InboundOptions, REPEATABLE, WAITING } from './answer.ts'
import { PROVEN, provenSender } from './authenticate.ts'
import { problemAnswer } from './problems.ts'
import { SignalDetails, toSignal } from './signal-body.ts'

export interface RevokeAllOptions extends InboundOptions {
  dryRun: DryRun
}

/** `POST /users/:id/revoke-all`: somebody who may end a user's access, by the Qlik user id. */
const revokeAll: FastifyPluginAsyncZod<RevokeAllOptions> = async (app, options) => {
  const { tenants, clock, dryRun } = options

  app.post(
    '/users/:id/revoke-all',
    {
      config: { senders: ['api-key'], source: 'revoke-all' },
      // The path says it all: no body means no further details. Fastify would check it as null.
      preValidation: async (request) => {
        if (request.body === undefined) request.body = {}
      },
      schema: {
        summary: "Revoke a user's tokens",
        description:
          'The body can be left out. With `dryRun=true` the tokens that would be revoked are listed, and nothing ' +
          `is revoked. ${REPEATABLE} ${WAITING}`,
        tags: ['signals'],
        security: [{ apiKey: [] }],
        params: z.object({ id: Identifier.describe('Qlik user id') }),
        querystring: z.strictObject({
          tenant: Identifier.optional(),
          dryRun: z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0'] }).optional(),
        }),
        body: SignalDetails,
        response: {
          200: z.union([RevocationView, z.object({ tokens: z.array(TokenView) })]),
          202: RevocationView,
          default: problemAnswer,
        },
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
          now: clock.now(),
        },
      )
      if (query.dryRun) return reply.code(200).send({ tokens: await dryRun(signal) })
      return answerSignal(request, reply, signal, options)
    },
  )
}

export default fp(revokeAll, { name: 'revoke-all', ...PROVEN })
