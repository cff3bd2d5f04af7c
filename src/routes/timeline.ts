import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { CurfewError } from '../base/errors.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import type { AuditReading } from '../revocation/audit/audit-log.ts'
import { By } from '../revocation/audit/entry.ts'
import type { RevocationStore } from '../revocation/store.ts'
import { mayUse } from '../revocation/tenant-bounds.ts'
import { timelineOf } from '../revocation/timeline.ts'

const MAX_STEPS = 500

const StepView = z.object({
  at: z.iso.datetime(),
  event: z
    .string()
    .describe(
      'An event of the audit trail, or `started`: the first attempt; `listed`: one pass over the tokens; `waited`: the end of a ' +
        'wait of at least a second. Events may be added',
    ),
  by: By.omit({ id: true }).nullable().describe('The sender; null for Curfew itself, or if it is unknown'),
  address: z.string().nullable().describe('The address of the sender'),
  details: z
    .record(z.string(), z.unknown())
    .describe(
      'As in the audit trail. After 1,000 tokens, `omitted` is the number of tokens instead of `tokens`',
    ),
})

export interface TimelineOptions {
  store: Pick<RevocationStore, 'get'>
  audit: Pick<AuditReading, 'list'>
}

/** `GET /revocations/{id}/timeline`. */
const timeline: FastifyPluginAsyncZod<TimelineOptions> = async (app, { store, audit }) => {
  app.get(
    '/revocations/:id/timeline',
    {
      config: { senders: ['api-key'], role: 'read', isForOperators: true },
      schema: {
        tags: ['revocations'],
        security: [{ apiKey: [] }],
        operationId: 'getTimeline',
        summary: 'Get what happened to a revocation',
        description:
          'Oldest first, from the audit trail and the revocation itself. Of more than 500 entries of the audit trail, the oldest ' +
          'are omitted. Without the audit trail, only the request, the first attempt and the end are known.',
        params: z.object({ id: z.string().describe('Id of a revocation') }),
        response: {
          200: z
            .object({
              items: z.array(StepView),
              isComplete: z.boolean().describe('False if entries of the audit trail are omitted'),
            })
            .describe('The timeline'),
          default: problemAnswer,
        },
      },
    },
    async (request) => {
      const revocation = await store.get(request.params.id)
      if (!revocation || !mayUse(provenSender(request), revocation.tenant))
        throw new CurfewError('CURFEW_UNKNOWN_REVOCATION')
      const { items, nextCursor } = await audit.list({ revocation: revocation.id, limit: MAX_STEPS })
      const steps = timelineOf(
        revocation,
        items.map(({ text }) => text),
      )
      return {
        items: steps.map((step) => ({ ...step, at: new Date(step.at).toISOString() })),
        isComplete: nextCursor === null,
      }
    },
  )
}

export default fp(timeline, { name: 'timeline', ...PROVEN })
