import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { invalidMember } from '../base/errors.ts'
import { mapInTurns } from '../base/in-turns.ts'
import { type InboundOptions, REPEATABLE, repeatableEstimate, replayKeyOf } from '../http/answer.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { DRY_RUNS, isDryRun, previewSignals, SignalQuery } from '../http/dry-run.ts'
import { describeExactlyOne } from '../http/exactly-one.ts'
import { originOf } from '../http/origin-of.ts'
import { Problem, problemAnswer, toProblem } from '../http/problems.ts'
import { SignalDetails, toSignal, User, UserNames, userOf } from '../http/signal-body.ts'
import { invalidRequest } from '../http/validate.ts'
import { BatchId, newBatchId } from '../revocation/batch.ts'
import { DryRunView } from '../revocation/dry-run-view.ts'
import { RevocationView, view } from '../revocation/revocation-view.ts'
import type { UserReference } from '../revocation/signal.ts'
import { tenantFor } from '../revocation/tenant-bounds.ts'

const BODY_LIMIT_BYTES = 1024 * 1024
const MAX_USERS = 1_000
/** Each user costs calls to Qlik while the caller waits. */
const MAX_DRY_RUN_USERS = 100

/** Users are validated individually, so that one invalid user does not block the others. */
const BulkBody = z.strictObject({
  users: z
    .array(z.unknown().meta({ oneOf: describeExactlyOne(UserNames.shape) }))
    .min(1)
    .max(MAX_USERS)
    .describe(
      `Users, each named by exactly one of userId, subject, email; at most ${MAX_DRY_RUN_USERS} for a dry run`,
    ),
  ...SignalDetails.shape,
  batch: BatchId.optional().describe(
    'Batch of the tenant, which `GET /batches/{id}` returns; several requests can name the same one. A new one if omitted',
  ),
})

const EXAMPLES = {
  incident: {
    summary: 'A security incident',
    value: { reason: 'security', users: [{ email: 'ann@example.com' }, { email: 'ben@example.com' }] },
  },
}

const index = z.number().int().describe('Position in `users`')
const Refused = z.object({ index, error: Problem })
const BulkAnswer = z.object({
  batch: BatchId,
  items: z.array(z.union([z.object({ index, revocation: RevocationView }), Refused])),
})
const BulkDryRun = z.object({ items: z.array(z.union([z.object({ index, dryRun: DryRunView }), Refused])) })

/** `POST /revocations`: many users in one request, all durable when it is answered. */
const bulk: FastifyPluginAsyncZod<InboundOptions> = async (app, options) => {
  const { accept, findWait, dryRun, tenants, outbox, clock } = options

  app.post(
    '/revocations',
    {
      bodyLimit: BODY_LIMIT_BYTES,
      config: { senders: ['api-key'], role: 'operate', source: 'bulk' },
      schema: {
        operationId: 'revokeUsers',
        summary: "Revoke many users' tokens",
        description: `Each user is accepted or rejected individually. ${REPEATABLE} ${DRY_RUNS}`,
        tags: ['signals'],
        security: [{ apiKey: [] }],
        querystring: SignalQuery,
        body: BulkBody,
        response: {
          200: BulkDryRun.describe('The result of a dry run'),
          202: BulkAnswer.describe('Every accepted signal is durable'),
          default: problemAnswer,
        },
        'x-facts': { requestHeaders: ['Idempotency-Key'], examples: EXAMPLES },
      },
    },
    async (request, reply) => {
      const { users, batch: named, ...details } = request.body
      const isDry = isDryRun(request, request.query)
      if (isDry && users.length > MAX_DRY_RUN_USERS) {
        throw invalidMember('/users', `expected at most ${MAX_DRY_RUN_USERS} users for a dry run`)
      }
      const now = clock.now()
      const sender = provenSender(request)
      const tenant = tenantFor(details.tenant, sender, tenants)
      const toOne = (user: UserReference) =>
        toSignal(details, { user, source: 'bulk', defaultReason: 'security', sender, tenants, outbox, now })
      const checked = await mapInTurns(users, (user) => User.safeParse(user))
      const signals = checked.flatMap(({ data }) => (data ? [toOne(userOf(data))] : []))
      if (isDry) {
        const results = await previewSignals(request, signals, dryRun)
        return reply.code(200).send({ items: inOrder(checked, results) })
      }
      const replay = replayKeyOf(request, tenant, clock)
      const batch = { tenant, id: named ?? newBatchId(replay, now) }
      const { revocations, replayed } = await accept(signals, replay, originOf(request), batch)
      const errors = checked.flatMap(({ error }) => (error ? [invalidRequest(error)] : []))
      // They have the same code, so one report covers all.
      if (errors.length > 0 && !replayed) app.noticeRejection(request, errors[0], errors.length)
      const results = await mapInTurns(revocations, (revocation) => ({
        revocation: view(revocation, repeatableEstimate(revocation, replay, options), findWait(revocation)),
      }))
      return reply.code(202).send({ batch: batch.id, items: inOrder(checked, results) })
    },
  )
}

type Refused = z.infer<typeof Refused>

/** The results of valid users and the errors of invalid ones, in the order of the request. */
function inOrder<Result extends object>(
  checked: readonly { error?: z.ZodError }[],
  results: readonly Result[],
): ((Result & { index: number }) | Refused)[] {
  const taken = results.values()
  return checked.map(({ error }, index) => {
    if (error) return { index, error: toProblem(invalidRequest(error)) }
    const { value, done } = taken.next()
    if (done) throw new Error('The number of results is smaller than the number of signals.')
    return { index, ...value }
  })
}

export default fp(bulk, { name: 'bulk', ...PROVEN })
