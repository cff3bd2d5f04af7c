import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { PROVEN } from '../http/authenticate.ts'
import { originOf } from '../http/origin-of.ts'
import { problemAnswer } from '../http/problems.ts'
import type { RevocationStore } from '../revocation/store.ts'
import type { TenantNames } from '../revocation/tenant-bounds.ts'
import { retry } from '../revocation/transitions.ts'
import { changeForCaller, Matching, MatchingQuery, MatchingView } from './matching.ts'

const Retried = z.object({
  retried: z.number().int().min(0),
  ...MatchingView.shape,
})

const EXAMPLES = {
  failed: { summary: 'Everything that failed', value: { matching: { status: 'failed' } } },
  code: {
    summary: 'What failed with an error',
    value: { matching: { code: 'CURFEW_QLIK_FORBIDDEN', tenant: 'default' } },
  },
} as const

export interface RetryOptions {
  store: Pick<RevocationStore, 'list' | 'retry'>
  /** Called when there is something to claim. */
  wake: () => void
  tenants: TenantNames
  clock: Clock
}

/** `POST /revocations/retry`. */
const retryMatching: FastifyPluginAsyncZod<RetryOptions> = async (app, { store, wake, tenants, clock }) => {
  app.post(
    '/revocations/retry',
    {
      config: { senders: ['api-key'], role: 'operate' },
      schema: {
        tags: ['revocations'],
        security: [{ apiKey: [] }],
        operationId: 'retryRevocations',
        summary: 'Retry all revocations that match',
        description:
          'Of those that match, it retries the failed ones, the unverified ones, and those that wait for the next attempt after a ' +
          'failed one: newest first, up to 1,000 per request, and only revocations of the tenants of the API key. ' +
          'Repeating the request is safe.',
        querystring: MatchingQuery,
        body: z.strictObject({ matching: Matching }),
        response: { 200: Retried.describe('They are queued'), default: problemAnswer },
        'x-facts': { examples: EXAMPLES },
      },
    },
    async (request) => {
      const { body, query } = request
      const origin = originOf(request)
      try {
        const {
          changed,
          more: _,
          ...result
        } = await changeForCaller(
          request,
          { matching: body.matching, change: 'retry', query },
          {
            store,
            tenants,
            clock,
            attempt: (one) => void retry(one, null, clock.now()),
            apply: async ({ id }) => (await store.retry(id, clock.now(), origin)) !== null,
          },
        )
        return { retried: changed, ...result }
      } finally {
        // Some may be queued even if the store fails.
        wake()
      }
    },
  )
}

export default fp(retryMatching, { name: 'retry-matching', ...PROVEN })
