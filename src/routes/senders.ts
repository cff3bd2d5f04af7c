import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { isoTime } from '../base/iso-time.ts'
import { sharedWork } from '../base/shared-work.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import { type SenderViewsOptions, sendersVisibleTo, senderViews } from '../http/sender-views.ts'
import type { AuditReading } from '../revocation/audit/audit-log.ts'
import { readRejections, type SenderRejections } from '../revocation/audit/rejection-history.ts'

/** A reading of up to 10,000 entries: once in 10 seconds, after two. */
const READING_RATE = { capacity: 1, perSecond: 0.1 }

const Rejections = {
  rejections: z
    .object({
      perHour: z.array(z.int().min(0)).describe('Number in each of the last 24 hours, oldest first'),
      last: z.object({ at: z.iso.datetime(), code: z.string().describe('The error code') }).nullable(),
    })
    .nullable()
    .describe(
      'Rejected requests that were authenticated, of all replicas, from the audit trail; null if it is turned off',
    ),
}

export interface SendersRouteOptions extends SenderViewsOptions {
  audit: Pick<AuditReading, 'list'>
  /** Whether the audit trail is written. */
  isAudited: boolean
  clock: Clock
}

/** `GET /senders`: the API keys, webhook secrets and sources, and how their requests fare. */
const senders: FastifyPluginAsyncZod<SendersRouteOptions> = async (app, options) => {
  const { audit, isAudited, clock } = options
  const history = sharedWork(() => readRejections(audit, clock), new TokenBucket({ ...READING_RATE, clock }))
  app.get(
    '/senders',
    {
      config: { senders: ['api-key'], role: 'operate' },
      schema: {
        tags: ['operations'],
        security: [{ apiKey: [] }],
        operationId: 'listSenders',
        summary: 'List API keys, webhook secrets and sources',
        description:
          'Never keys and secrets themselves. `lastUsedAt`, `lastAcceptedAt` and `lastRejected` are of this process since its ' +
          'start, also for requests that did not authenticate; `rejections` are of all replicas, and up to 10 seconds old. A key that is restricted to ' +
          'tenants sees only senders that are restricted to these tenants.',
        response: {
          200: z
            .object({
              ...senderViews(Rejections),
              rejectionsSince: z.iso
                .datetime()
                .nullable()
                .describe('`rejections` are counted from this time on: for 24 hours, or the last 10,000'),
            })
            .describe('The senders'),
          default: problemAnswer,
        },
      },
    },
    async (request) => {
      const rejected = isAudited ? await history() : null
      const {
        apiKeys = [],
        webhookSecrets = [],
        sources = [],
      } = sendersVisibleTo(provenSender(request), options, (sender) => ({
        rejections: rejected && show(rejected.of(sender)),
      }))
      return { apiKeys, webhookSecrets, sources, rejectionsSince: isoTime(rejected?.since ?? null) }
    },
  )
}

function show({ perHour, last }: SenderRejections) {
  return { perHour, last: last && { at: new Date(last.at).toISOString(), code: last.code } }
}

export default fp(senders, { name: 'senders', ...PROVEN })
