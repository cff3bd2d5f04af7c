import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { ERRORS } from '../base/errors.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import { type SenderViewsOptions, sendersVisibleTo } from '../http/sender-views.ts'
import { EVENTS } from '../revocation/audit/entry.ts'

/** Beyond that, a list is no help. */
const MAX_NAMES = 1_000

/** `GET /suggestions`: values for the filters of other routes. */
const suggestions: FastifyPluginAsyncZod<SenderViewsOptions> = async (app, options) => {
  app.get(
    '/suggestions',
    {
      config: { senders: ['api-key'], role: 'read' },
      schema: {
        operationId: 'getSuggestions',
        summary: 'Values for the filters of revocations and of the audit trail',
        description:
          'For forms. Configured names only, up to 1,000 of each: earlier names can be searched for, too. Nothing about users.',
        tags: ['operations'],
        security: [{ apiKey: [] }],
        response: {
          200: z
            .object({
              tenant: z.array(z.string()).describe('The tenants that the API key is valid for'),
              source: z.array(z.string()).describe('Sources that the API key can see'),
              key: z.array(z.string()).describe('API keys and webhook secrets that the API key can see'),
              code: z.array(z.string()).describe('Error codes'),
              event: z.array(z.string()).describe('Events of the audit trail'),
            })
            .describe('The values; without the role `operate` or `admin`, `source` and `key` are empty'),
          default: problemAnswer,
        },
      },
    },
    async (request) => {
      const sender = provenSender(request)
      const { apiKeys = [], webhookSecrets = [], sources = [] } = sendersVisibleTo(sender, options)
      const names = (of: readonly { name: string }[]) => of.map(({ name }) => name)
      return {
        tenant: firstOf(sender.tenants ?? options.tenants.names()),
        source: firstOf(names(sources)),
        key: firstOf(names([...apiKeys, ...webhookSecrets])),
        code: Object.keys(ERRORS).sort(),
        event: [...EVENTS].sort(),
      }
    },
  )
}

function firstOf(names: readonly string[]): string[] {
  return [...new Set(names)].sort().slice(0, MAX_NAMES)
}

export default fp(suggestions, { name: 'suggestions', ...PROVEN })
