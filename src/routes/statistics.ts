import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import { Identifier } from '../revocation/signal.ts'
import { PERIODS, type Statistics, type Summary } from '../revocation/statistics/statistics.ts'
import { mayUse, type TenantNames } from '../revocation/tenant-bounds.ts'

const seconds = z.number().min(0).nullable()
const summary = {
  verified: z.int().min(0).describe('Number of revocations that were verified'),
  p50Seconds: seconds.describe(
    'Median time from acceptance, or from the release of a held revocation, until the listing that proves it; null if none was ' +
      'verified. The error is up to 5 %',
  ),
  p99Seconds: seconds.describe('99 % took no longer; the error is up to 5 %'),
}

export interface StatisticsRouteOptions {
  statistics: Pick<Statistics, 'of'>
  tenants: TenantNames
  clock: Pick<Clock, 'now'>
}

/** `GET /statistics`: how many users were logged out lately, and how long it took. */
const statisticsRoute: FastifyPluginAsyncZod<StatisticsRouteOptions> = async (
  app,
  { statistics, tenants, clock },
) => {
  app.get(
    '/statistics',
    {
      config: { senders: ['api-key'], role: 'read' },
      schema: {
        operationId: 'getStatistics',
        summary: 'How many revocations were verified, and how long it took',
        description:
          'From the database: all replicas give the same answer. The first request after a start reads the last day in the ' +
          'background, the last hour first: until then, `isComplete` is false. Figures are up to 5 seconds old, those of late proofs ' +
          'up to a minute.',
        tags: ['operations'],
        security: [{ apiKey: [] }],
        querystring: z.strictObject({
          period: z
            .enum(['hour', 'day'])
            .default('hour')
            .describe('The last hour by minute, or the last day by 15 minutes'),
          tenant: Identifier.optional().describe('Only this tenant'),
        }),
        response: {
          200: z
            .object({
              at: z.iso.datetime(),
              ...summary,
              intervalSeconds: z.int(),
              intervals: z
                .array(
                  z.object({
                    from: z.iso.datetime().describe('Beginning'),
                    ...summary,
                    verified: summary.verified.nullable().describe('As above; null if it is not counted yet'),
                  }),
                )
                .describe('Oldest first; the last one is not over'),
              isComplete: z.boolean().describe('Whether the whole period is counted'),
            })
            .describe('The statistics'),
          default: problemAnswer,
        },
      },
    },
    async (request) => {
      const { period, tenant } = request.query
      const sender = provenSender(request)
      if (tenant !== undefined && !(mayUse(sender, tenant) && tenants.has(tenant)))
        throw new CurfewError('CURFEW_UNKNOWN_TENANT')
      const only = tenant === undefined ? (sender.tenants ?? undefined) : [tenant]
      const { total, intervals, isComplete } = await statistics.of(period, only)
      return {
        at: new Date(clock.now()).toISOString(),
        ...show(total),
        intervalSeconds: PERIODS[period].step * 60,
        intervals: intervals.map(({ from, summary }) => ({
          from: new Date(from).toISOString(),
          ...(summary ? show(summary) : { verified: null, p50Seconds: null, p99Seconds: null }),
        })),
        isComplete,
      }
    },
  )
}

function show({ verified, p50, p99 }: Summary) {
  return { verified, p50Seconds: rounded(p50), p99Seconds: rounded(p99) }
}

/** To three digits: more are not known. */
function rounded(ms: number | null): number | null {
  return ms === null ? null : Number((ms / 1_000).toPrecision(3))
}

export default fp(statisticsRoute, { name: 'statistics', ...PROVEN })
