import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type DryRun, TokenView } from '../revocation/dry-run.ts'
import { RevocationView } from '../revocation/revocation.ts'
import { Identifier } from '../revocation/signal.ts'
import { answerSignal, type InboundOptions } from './answer.ts'
import { Problem } from './problems.ts'
import { SignalDetails, toSignal } from './signal-body.ts'

export interface RevokeAllOptions extends InboundOptions {
  dryRun: DryRun
}

/** `POST /users/:id/revoke-all`: somebody who may end a user's access, by the Qlik user id. */
const revokeAll: FastifyPluginAsyncZod<RevokeAllOptions> = async (app, options) => {
  const { tenantNames, clock, dryRun } = options

  app.post(
    '/users/:id/revoke-all',
    {
      config: { senders: ['api-key'], source: 'revoke-all' },
      schema: {
        summary: "Revoke a user's tokens",
        description:
          'With `dryRun=true` the tokens that would be revoked are listed, and nothing is revoked.',
        tags: ['signals'],
        security: [{ apiKey: [] }],
        params: z.object({ id: Identifier.describe('Qlik user id') }),
        querystring: z.strictObject({
          tenant: Identifier.optional(),
          dryRun: z.stringbool({ truthy: ['true', '1'], falsy: ['false', '0'] }).optional(),
        }),
        body: SignalDetails.optional(),
        response: {
          200: z.union([RevocationView, z.object({ tokens: z.array(TokenView) })]),
          202: RevocationView,
          default: Problem,
        },
      },
    },
    async (request, reply) => {
      const { params, query, body } = request
      const signal = toSignal(
        { tenant: query.tenant, ...body },
        {
          user: { kind: 'userId', value: params.id },
          source: 'revoke-all',
          defaultReason: 'security',
          tenants: tenantNames,
          now: clock.now(),
        },
      )
      if (query.dryRun) return reply.code(200).send({ tokens: await dryRun(signal) })
      return answerSignal(request, reply, signal, options)
    },
  )
}

export default revokeAll
