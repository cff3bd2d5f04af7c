import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { CurfewError } from '../base/errors.ts'
import { isoTime } from '../base/iso-time.ts'
import { PROVEN, requireUnrestricted } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import { PROBLEMS } from '../revocation/audit/finding.ts'
import type { TrailCheck } from '../revocation/audit/trail-check.ts'

/** Each start of a process begins a chain. */
const MAX_CHAINS = 100

const sequence = z.int().min(1).describe('Position in the chain')

export interface AuditCheckOptions {
  /** Null if the audit trail is turned off. */
  trail: Pick<TrailCheck, 'checkedAt' | 'chains'> | null
}

/** `GET /audit/check`: what the background check of the audit trail has found. */
const auditCheck: FastifyPluginAsyncZod<AuditCheckOptions> = async (app, { trail }) => {
  app.get(
    '/audit/check',
    {
      config: { senders: ['api-key'], role: 'read', isForOperators: true },
      schema: {
        tags: ['audit'],
        security: [{ apiKey: [] }],
        operationId: 'getAuditCheck',
        summary: 'Up to where the chains of the audit trail are checked',
        description:
          'This process checks new entries every 10 minutes, and all of them once after its start: each must match its hash ' +
          'and continue the entry before it. Requires an API key that is not restricted to certain tenants.',
        response: {
          200: z
            .object({
              checkedAt: z.iso
                .datetime()
                .nullable()
                .describe('All entries of that time were checked; null before the first complete check'),
              total: z.int().min(0).describe('Number of chains of which an entry was checked'),
              damaged: z.int().min(0).describe('Number of those with a problem'),
              chains: z
                .array(
                  z.object({
                    writer: z.string().describe('Id of the chain: each start of a process begins one'),
                    last: z
                      .object({ sequence, at: z.iso.datetime() })
                      .nullable()
                      .describe('The last entry of those that are intact; null if there is none'),
                    problem: z
                      .object({ problem: z.enum(PROBLEMS).describe('What is wrong'), sequence })
                      .nullable()
                      .describe('The first damaged or missing entry'),
                  }),
                )
                .describe(`Up to ${MAX_CHAINS}: damaged ones first, then those with the newest entries`),
            })
            .describe('The chains'),
          default: problemAnswer,
        },
      },
    },
    async (request) => {
      requireUnrestricted(request)
      if (!trail) throw new CurfewError('CURFEW_NO_AUDIT_TRAIL')
      const { chains } = trail
      return {
        checkedAt: isoTime(trail.checkedAt),
        total: chains.length,
        damaged: chains.filter(({ problem }) => problem !== null).length,
        chains: chains.slice(0, MAX_CHAINS).map(({ writer, last, problem }) => ({
          writer,
          last: last && { sequence: last.sequence, at: new Date(last.at).toISOString() },
          problem: problem && { problem: problem.problem, sequence: problem.sequence },
        })),
      }
    },
  )
}

export default fp(auditCheck, { name: 'audit-check', ...PROVEN })
