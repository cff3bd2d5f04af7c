import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { describeExactlyOne } from '../http/exactly-one.ts'
import { originOf } from '../http/origin-of.ts'
import { problemAnswer } from '../http/problems.ts'
import { hasOneName, ONE_NAME, SignalDetails, UserNames, userOf } from '../http/signal-body.ts'
import type { AuditLog } from '../revocation/audit/audit-log.ts'
import { type Erasure, Erasures } from '../revocation/audit/erasures.ts'
import { mayUse, type TenantNames, tenantFor } from '../revocation/tenant-bounds.ts'

export interface ErasuresOptions {
  audit: Pick<AuditLog, 'erase'>
  tenants: TenantNames
  clock: Clock
}

const OTHERS = { tenant: SignalDetails.shape.tenant }
const ErasureBody = z
  .strictObject({ ...UserNames.shape, ...OTHERS })
  .refine(hasOneName, ONE_NAME)
  .meta({ oneOf: describeExactlyOne(UserNames.shape, OTHERS) })

const id = z.uuid().describe('Id of the erasure')
const count = z.number().int()
const ErasureAnswer = z.object({
  id,
  entries: count.describe('Entries of the audit trail without their personal data now'),
  revocations: count.describe('Deleted revocations'),
  sessions: count.describe('Deleted sessions'),
  replays: count.describe('Stored answers to repeated requests without the user now'),
  notifications: count.describe('Notifications about the user, also those that were not delivered'),
  pending: count.describe('Revocations that still need the name'),
  action: z.string().nullable().describe('What to do about pending revocations; null if there are none'),
})

const REPEAT = 'Repeat the request when the pending revocations have ended and are confirmed.'
/** An erasure of a huge trail takes longer than connections may be silent, and than many clients and proxies wait. */
const ANSWER_WITHIN_MS = 20_000

const shared = { tags: ['audit'], security: [{ apiKey: [] }] }
const response = {
  200: ErasureAnswer.describe('Erased'),
  202: z.object({ id }).describe('The erasure continues'),
  default: problemAnswer,
}

/** `POST /erasures` and `GET /erasures/{id}`: erase the personal data of a user. */
const erasures: FastifyPluginAsyncZod<ErasuresOptions> = async (app, { audit, tenants, clock }) => {
  const config = { senders: ['api-key'], role: 'admin' } as const
  const all = new Erasures(clock)

  async function answer(erasure: Erasure, reply: FastifyReply) {
    const { id, outcome } = erasure
    if (!outcome) {
      reply.code(202).header('location', `/erasures/${id}`)
      return { id }
    }
    if ('error' in outcome) throw outcome.error
    const { erased } = outcome
    return { id, ...erased, action: erased.pending > 0 ? REPEAT : null }
  }

  /** The caller may never ask for the result. */
  async function logEnd(erasure: Erasure) {
    await erasure.ended
    const { id, outcome } = erasure
    if (outcome && 'error' in outcome)
      app.log.error({ erasure: id, err: outcome.error }, 'an erasure failed; repeat the request')
    else app.log.info({ erasure: id, ...outcome?.erased }, 'an erasure ended')
  }

  app.post(
    '/erasures',
    {
      config,
      schema: {
        ...shared,
        operationId: 'eraseUser',
        summary: 'Erase the personal data of a user',
        description:
          'Under every name that Curfew knows of the user in this tenant: in the audit trail, in revocations that have ' +
          'ended, in sessions and in stored answers. The chains of the audit trail stay valid. Erasing again is safe. ' +
          'If it takes longer than 20 s, the response is 202: request the result at `Location`.',
        body: ErasureBody,
        response,
        'x-facts': {
          responseHeaders: { 202: ['Location'] },
          examples: { user: { summary: 'By e-mail address', value: { email: 'ann@example.com' } } },
        },
      },
    },
    async (request, reply) => {
      const tenant = tenantFor(request.body.tenant, provenSender(request), tenants)
      const user = userOf(request.body)
      const erasure = all.start(tenant, audit.erase({ tenant, user }, clock.now(), originOf(request)))
      await all.wait(erasure, ANSWER_WITHIN_MS)
      if (!erasure.outcome) void logEnd(erasure)
      return answer(erasure, reply)
    },
  )

  app.get(
    '/erasures/:id',
    {
      config,
      schema: {
        ...shared,
        operationId: 'getErasure',
        summary: 'Get the result of an erasure',
        description:
          'Waits up to 20 s for its end. Only the process that received the request knows the erasure: if it is unknown, ' +
          'erase again.',
        params: z.object({ id: z.string().describe('Id of an erasure') }),
        response,
        'x-facts': { responseHeaders: { 202: ['Location'] } },
      },
    },
    async (request, reply) => {
      const erasure = all.find(request.params.id)
      if (!erasure || !mayUse(provenSender(request), erasure.tenant))
        throw new CurfewError('CURFEW_UNKNOWN_ERASURE')
      await all.wait(erasure, ANSWER_WITHIN_MS)
      return answer(erasure, reply)
    },
  )
}

export default fp(erasures, { name: 'erasures', ...PROVEN })
