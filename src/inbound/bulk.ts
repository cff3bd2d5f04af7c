import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { RevocationView, view } from '../revocation/revocation-view.ts'
import type { UserReference } from '../revocation/signal.ts'
import { tenantFor } from '../revocation/tenant-bounds.ts'
import { type InboundOptions, REPEATABLE, replayKeyOf } from './answer.ts'
import { PROVEN, provenSender } from './authenticate.ts'
import { Problem, problemAnswer, toProblem } from './problems.ts'
import { SignalDetails, toSignal, User, userOf } from './signal-body.ts'
import { invalidRequest } from './validate.ts'

const BODY_LIMIT_BYTES = 1024 * 1024
const USERS_AT_MOST = 1_000

/** Each user is checked on its own: one mistake in a thousand must not stop the others. */
const BulkBody = z.strictObject({
  users: z
    .array(z.unknown().meta(z.toJSONSchema(User)))
    .min(1)
    .max(USERS_AT_MOST)
    .describe('Each by exactly one of userId, subject, email'),
  ...SignalDetails.shape,
})

const BulkAnswer = z.object({
  items: z.array(
    z.union([
      z.object({ index: z.number().int(), revocation: RevocationView }),
      z.object({ index: z.number().int(), error: Problem }),
    ]),
  ),
})
type Item = z.infer<typeof BulkAnswer>['items'][number]

/** `POST /revocations`: many users at once, all made durable in one transaction. */
const bulk: FastifyPluginAsyncZod<InboundOptions> = async (app, options) => {
  const { accept, estimate, tenants, clock } = options

  app.post(
    '/revocations',
    {
      bodyLimit: BODY_LIMIT_BYTES,
      config: { senders: ['api-key'], source: 'bulk' },
      schema: {
        summary: "Revoke many users' tokens",
        description: `${REPEATABLE} Each user is taken or refused on its own.`,
        tags: ['signals'],
        security: [{ apiKey: [] }],
        body: BulkBody,
        response: { 202: BulkAnswer, default: problemAnswer },
      },
    },
    async (request, reply) => {
      const { users, ...details } = request.body
      const now = clock.now()
      const sender = provenSender(request)
      const tenant = tenantFor(details.tenant, sender, tenants)
      const toOne = (user: UserReference) =>
        toSignal(details, { user, source: 'bulk', defaultReason: 'security', sender, tenants, now })
      const checked = users.map((user) => User.safeParse(user))
      const signals = checked.flatMap(({ data }) => (data ? [toOne(userOf(data))] : []))
      const { revocations } = await accept(signals, replayKeyOf(request, tenant))
      const accepted = revocations.values()
      const items = checked.map(({ error }, index): Item => {
        if (error) return { index, error: toProblem(invalidRequest(error)) }
        const revocation = accepted.next().value
        if (!revocation) throw new Error('The store accepted signals and answered with fewer revocations.')
        return { index, revocation: view(revocation, estimate(revocation)) }
      })
      return reply.code(202).send({ items })
    },
  )
}

export default fp(bulk, { name: 'bulk', ...PROVEN })
