import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { describeExactlyOne } from '../http/exactly-one.ts'
import { originOf } from '../http/origin-of.ts'
import { problemAnswer } from '../http/problems.ts'
import { hasOneName, ONE_NAME, SignalDetails, UserNames, userOf } from '../http/signal-body.ts'
import type { AuditLog } from '../revocation/audit/audit-log.ts'
import { type TenantNames, tenantFor } from '../revocation/tenant-bounds.ts'

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

const count = z.number().int()
const ErasureAnswer = z.object({
  entries: count.describe('Entries of the audit trail without their personal data now'),
  revocations: count.describe('Deleted revocations'),
  sessions: count.describe('Deleted sessions'),
  replays: count.describe('Stored answers to repeated requests without the user now'),
  pending: count.describe('Revocations that still need the name'),
  action: z.string().nullable().describe('What to do about pending revocations; null if there are none'),
})

const REPEAT = 'Repeat the request when the pending revocations have ended and are confirmed.'

/** `POST /erasures`: erases the personal data of a user. */
const erasures: FastifyPluginAsyncZod<ErasuresOptions> = async (app, { audit, tenants, clock }) => {
  app.post(
    '/erasures',
    {
      config: { senders: ['api-key'], role: 'admin' },
      schema: {
        operationId: 'eraseUser',
        summary: 'Erase the personal data of a user',
        description:
          'Under every name that Curfew knows of the user in this tenant: in the audit trail, in revocations that have ' +
          'ended, in sessions and in stored answers. The chains of the audit trail stay valid. Erasing again is safe.',
        tags: ['audit'],
        security: [{ apiKey: [] }],
        body: ErasureBody,
        response: { 200: ErasureAnswer.describe('Erased'), default: problemAnswer },
        'x-facts': {
          examples: { user: { summary: 'By e-mail address', value: { email: 'ann@example.com' } } },
        },
      },
    },
    async (request) => {
      const tenant = tenantFor(request.body.tenant, provenSender(request), tenants)
      const user = userOf(request.body)
      const erased = await audit.erase({ tenant, user }, clock.now(), originOf(request))
      return { ...erased, action: erased.pending > 0 ? REPEAT : null }
    },
  )
}

export default fp(erasures, { name: 'erasures', ...PROVEN })
