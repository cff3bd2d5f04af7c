import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { isoTime } from '../base/iso-time.ts'
import { ROLES } from '../base/role.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import type { Senders } from '../http/senders.ts'
import type { BrakeLimits } from '../revocation/mass-brake.ts'

const time = z.iso.datetime().nullable()

const KeyView = z
  .object({
    name: z.string().describe('Its name in the configuration'),
    roles: z.array(z.enum(ROLES)),
    tenants: z.array(z.string()).nullable().describe('Tenants it is restricted to; null for all'),
    notBefore: time.describe('Start of its validity; null if it has none'),
    expiresAt: time.describe('End of its validity; null if it has none'),
    brake: z
      .object({ users: z.number().int(), windowMs: z.number().int() })
      .nullable()
      .describe(
        'How many users it can name within this time before its further signals are held; null for any number',
      ),
  })
  .meta({ id: 'Key', description: 'The API key of the request' })

export interface KeyOptions {
  senders: Pick<Senders, 'apiKeys'>
  brake: BrakeLimits
}

/** `GET /key`: what the API key of the request can do. */
const key: FastifyPluginAsyncZod<KeyOptions> = async (app, { senders, brake }) => {
  app.get(
    '/key',
    {
      config: { senders: ['api-key'], role: 'any' },
      schema: {
        tags: ['operations'],
        security: [{ apiKey: [] }],
        operationId: 'getKey',
        summary: 'Get what the API key can do',
        response: { 200: KeyView.describe('The API key'), default: problemAnswer },
      },
    },
    async (request) => {
      const { name, roles, tenants, fingerprint, massRevocation } = provenSender(request)
      const config = senders.apiKeys().find(({ digest }) => digest.startsWith(fingerprint))
      const isExempt = massRevocation === true || brake.users === 0
      return {
        ...{ name, roles: [...roles], tenants: tenants && [...tenants] },
        ...{ notBefore: isoTime(config?.notBefore ?? null), expiresAt: isoTime(config?.expiresAt ?? null) },
        brake: isExempt ? null : { users: brake.users, windowMs: brake.windowMs },
      }
    },
  )
}

export default fp(key, { name: 'key', ...PROVEN })
