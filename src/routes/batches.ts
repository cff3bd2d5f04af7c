import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { CurfewError, ERRORS } from '../base/errors.ts'
import { isoTime } from '../base/iso-time.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import { BatchId } from '../revocation/batch.ts'
import { type BatchSummary, FAILED_IDS, summarize } from '../revocation/batch-summary.ts'
import type { Estimates } from '../revocation/estimates.ts'
import { OutcomeView } from '../revocation/revocation-view.ts'
import { Identifier } from '../revocation/signal.ts'
import type { RevocationStore } from '../revocation/store.ts'
import { mayUse, type TenantNames, tenantFor } from '../revocation/tenant-bounds.ts'

const count = z.number().int().min(0)
const time = z.iso.datetime()

const BatchView = z
  .object({
    id: z.string(),
    tenant: z.string(),
    createdAt: time,
    total: count.describe('Number of revocations'),
    status: z.object({
      ...{ queued: count, running: count, held: count },
      ...{ completed: count, failed: count, cancelled: count },
    }),
    outcomes: z.partialRecord(OutcomeView, count).describe('Of those that are completed'),
    verified: count.describe('Number of completed ones of which all tokens in scope are proven to be gone'),
    confirming: count.describe('Number of completed ones whose confirming listing is due'),
    tokens: z
      .object({ revoked: count, alreadyGone: count, kept: count, remaining: count })
      .describe('The sums'),
    failures: z
      .array(
        z.object({
          ...{ code: z.string(), title: z.string(), action: z.string(), count },
          ids: z.array(z.uuid()).describe(`Up to ${FAILED_IDS} of them; \`GET /revocations\` lists all`),
        }),
      )
      .describe('Failed ones by the code of their error, the most frequent first'),
    done: z.boolean().describe('Whether all have ended and no confirming listing is due'),
    estimatedCompletionAt: time
      .nullable()
      .describe(
        'When the last queued or running one is expected to be complete; null if there is none, or one cannot proceed',
      ),
  })
  .meta({ id: 'Batch', description: 'The state of revocations that were requested together' })

export interface BatchRoutesOptions {
  store: Pick<RevocationStore, 'readBatch'>
  estimates: Pick<Estimates, 'refresh' | 'estimate'>
  tenants: TenantNames
}

/** `GET /batches/{id}`: the state of revocations that were requested together. */
const batches: FastifyPluginAsyncZod<BatchRoutesOptions> = async (app, { store, estimates, tenants }) => {
  app.get(
    '/batches/:id',
    {
      config: { senders: ['api-key'], role: 'read' },
      schema: {
        operationId: 'getBatch',
        summary: 'Get the state of a batch',
        description:
          'Of the users of one or more `POST /revocations`: counts, failures, and the expected end.',
        tags: ['revocations'],
        security: [{ apiKey: [] }],
        params: z.object({ id: z.string().describe('Id of a batch') }),
        querystring: z.strictObject({
          tenant: Identifier.optional().describe('Name of the tenant; as for signals if omitted'),
        }),
        response: { 200: BatchView.describe('The batch'), default: problemAnswer },
      },
    },
    async (request) => {
      const sender = provenSender(request)
      const tenant = request.query.tenant ?? tenantFor(undefined, sender, tenants)
      const id = BatchId.safeParse(request.params.id).data
      // A batch of another tenant than the caller's is reported as unknown.
      const batch = id !== undefined && mayUse(sender, tenant) ? { tenant, id } : null
      const reading = batch && (await store.readBatch(batch))
      if (!batch || !reading) throw new CurfewError('CURFEW_UNKNOWN_BATCH')
      await estimates.refresh()
      return show(summarize(batch, reading, estimates.estimate))
    },
  )
}

function show({ isDone, ...summary }: BatchSummary): z.infer<typeof BatchView> {
  return {
    ...summary,
    createdAt: new Date(summary.createdAt).toISOString(),
    failures: summary.failures.map(({ code, count, ids }) => {
      const { title, action } = ERRORS[code]
      return { code, title, action, count, ids }
    }),
    done: isDone,
    estimatedCompletionAt: isoTime(summary.estimatedCompletionAt),
  }
}

export default fp(batches, { name: 'batches', ...PROVEN })
