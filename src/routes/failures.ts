import { setImmediate } from 'node:timers/promises'
import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../base/errors.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import type { RevocationStore } from '../revocation/store.ts'
import { CountView } from './revocation-search.ts'

const MAX_TENANTS = 100

const FailureGroupView = z.object({
  code: z.string(),
  title: z.string(),
  action: z.string().describe('What to do'),
  count: CountView.describe('How many revocations failed with this error, and are not superseded'),
  tenants: z
    .array(z.object({ tenant: z.string(), count: z.number().int().min(1) }))
    .describe(
      `Up to ${MAX_TENANTS} tenants, the most frequent first. If \`count\` is not exact, these are lower bounds, and tenants can be missing`,
    ),
})
type FailureGroupView = z.infer<typeof FailureGroupView>

export interface FailuresOptions {
  store: Pick<RevocationStore, 'failureCodes' | 'countFailures'>
}

/** `GET /revocations/failures`: what failed, by the code of the error. */
const failures: FastifyPluginAsyncZod<FailuresOptions> = async (app, { store }) => {
  app.get(
    '/revocations/failures',
    {
      config: { senders: ['api-key'], role: 'read' },
      schema: {
        tags: ['revocations'],
        security: [{ apiKey: [] }],
        operationId: 'listFailures',
        summary: 'Count failed revocations by error',
        description:
          'The most frequent error first, of the tenants that the API key is valid for. Superseded revocations are not counted.',
        response: {
          200: z.object({ items: z.array(FailureGroupView) }).describe('The errors'),
          default: problemAnswer,
        },
      },
    },
    async (request) => {
      const tenants = provenSender(request).tenants ?? undefined
      const items: FailureGroupView[] = []
      // A count takes a few ms, in which SQLite blocks the event loop.
      for (const code of (await store.failureCodes()).filter(isKnown)) {
        const { byTenant, isExact } = await store.countFailures({ code, tenants })
        const { title, action } = ERRORS[code]
        const sorted = [...byTenant].sort(([, one], [, other]) => other - one)
        const value = sorted.reduce((sum, [, count]) => sum + count, 0)
        const shown = sorted.slice(0, MAX_TENANTS).map(([tenant, count]) => ({ tenant, count }))
        if (value > 0) items.push({ code, title, action, count: { value, isExact }, tenants: shown })
        await setImmediate()
      }
      return { items: items.sort((one, other) => other.count.value - one.count.value) }
    },
  )
}

/** Filters accept only known codes, so no request could select those of a later version. */
function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code)
}

export default fp(failures, { name: 'failures', ...PROVEN })
