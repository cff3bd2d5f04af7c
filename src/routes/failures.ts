import { setImmediate } from 'node:timers/promises'
import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { ERRORS, isErrorCode } from '../base/errors.ts'
import { sharedWork } from '../base/shared-work.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import type { RevocationStore } from '../revocation/store.ts'
import { CountView } from './revocation-search.ts'

const MAX_TENANTS = 100
/** For each set of tenants: keys with the same tenants share the counts. */
const COUNTING_RATE = { capacity: 5, perSecond: 0.5 }
/** Sets of tenants whose counts are kept. */
const MAX_KEPT = 20

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
  clock: Pick<Clock, 'monotonic'>
}

/** `GET /revocations/failures`: what failed, by the code of the error. */
const failures: FastifyPluginAsyncZod<FailuresOptions> = async (app, { store, clock }) => {
  const kept = new Map<string, () => Promise<FailureGroupView[]>>()
  const countsOf = (tenants: readonly string[] | undefined) => {
    const key = JSON.stringify(tenants?.toSorted() ?? null)
    const counts =
      kept.get(key) ??
      sharedWork(() => countAll(store, tenants), new TokenBucket({ ...COUNTING_RATE, clock }))
    kept.delete(key)
    kept.set(key, counts)
    for (const oldest of kept.keys()) if (kept.size > MAX_KEPT) kept.delete(oldest)
    return counts()
  }
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
          'The most frequent error first, of the tenants that the API key is valid for. Superseded revocations are not counted. ' +
          'After five requests in short succession, counts are up to 2 seconds old.',
        response: {
          200: z.object({ items: z.array(FailureGroupView) }).describe('The errors'),
          default: problemAnswer,
        },
      },
    },
    async (request) => ({ items: await countsOf(provenSender(request).tenants ?? undefined) }),
  )
}

async function countAll(
  store: FailuresOptions['store'],
  tenants: readonly string[] | undefined,
): Promise<FailureGroupView[]> {
  const items: FailureGroupView[] = []
  // Filters accept only known codes, so no request could select those of a later version.
  for (const code of (await store.failureCodes()).filter(isErrorCode)) {
    // A count takes a few ms, in which SQLite blocks the event loop.
    const { byTenant, isExact } = await store.countFailures({ code, tenants })
    const { title, action } = ERRORS[code]
    const sorted = [...byTenant].sort(([, one], [, other]) => other - one)
    const value = sorted.reduce((sum, [, count]) => sum + count, 0)
    const shown = sorted.slice(0, MAX_TENANTS).map(([tenant, count]) => ({ tenant, count }))
    if (value > 0) items.push({ code, title, action, count: { value, isExact }, tenants: shown })
    await setImmediate()
  }
  return items.sort((one, other) => other.count.value - one.count.value)
}

export default fp(failures, { name: 'failures', ...PROVEN })
