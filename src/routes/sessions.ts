import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { invalidMember } from '../base/errors.ts'
import type { InboundOptions } from '../http/answer.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { describeExactlyOne } from '../http/exactly-one.ts'
import { problemAnswer } from '../http/problems.ts'
import { hasOneName, ONE_NAME, UserNames, userOf } from '../http/signal-body.ts'
import type { SessionSources } from '../revocation/session-sources.ts'
import { Identifier } from '../revocation/signal.ts'
import type { RevocationStore } from '../revocation/store.ts'
import { tenantFor } from '../revocation/tenant-bounds.ts'

const DAY_S = 24 * 60 * 60
/** Longer than providers keep sessions: if a session is deleted too early, its logout is rejected. */
const LONGEST_S = 30 * DAY_S

export interface SessionsOptions extends Pick<InboundOptions, 'tenants' | 'clock'> {
  store: Pick<RevocationStore, 'noteSession' | 'forgetSession'>
  sessionSources: Pick<SessionSources, 'named'>
}

const tenant = Identifier.optional().describe(
  'Name of the Qlik tenant. Default: the only tenant the sender is restricted to, otherwise the default tenant',
)
const source = Identifier.optional().describe(
  "Name of the source whose issuer created the session. Default: the tenant's only source that supports sessions",
)
const OTHERS = {
  tenant,
  source,
  expiresAt: z.iso
    .datetime({ offset: true, error: 'expected ISO 8601 with an offset, as in 2026-05-04T12:00:00Z' })
    .optional()
    .describe('When the session expires at the latest (ISO 8601), up to 30 days from now'),
  ttlSeconds: z
    .int()
    .min(1)
    .max(LONGEST_S)
    .optional()
    .describe('The same in seconds from now. Default if both are missing: 24 hours'),
}
const SessionBody = z
  .strictObject({ ...UserNames.shape, ...OTHERS })
  .refine(hasOneName, ONE_NAME)
  .refine(
    ({ expiresAt, ttlSeconds }) => expiresAt === undefined || ttlSeconds === undefined,
    'expected expiresAt or ttlSeconds, not both',
  )
  .meta({
    oneOf: describeExactlyOne(UserNames.shape, OTHERS),
    not: { required: ['expiresAt', 'ttlSeconds'] },
  })
const EXAMPLES = {
  login: { summary: 'At login', value: { email: 'ann@example.com', ttlSeconds: 43_200 } },
}
type SessionBody = z.infer<typeof SessionBody>

/**
 * `PUT /sessions/:sid` and `DELETE /sessions/:sid`: a web back end records the user of a session at login, for
 * providers with logout tokens that name a session but no user. A `sid` is unique per issuer, so sessions are stored
 * per source.
 */
const sessions: FastifyPluginAsyncZod<SessionsOptions> = async (app, options) => {
  const { store, sessionSources, tenants, clock } = options
  const params = z.object({ sid: Identifier.describe('The `sid` claim of the ID token') })
  const shared = { params, tags: ['sessions'], security: [{ apiKey: [] }] }
  const config = { senders: ['api-key'], role: 'sessions' } as const

  app.put(
    '/sessions/:sid',
    {
      config,
      schema: {
        ...shared,
        operationId: 'recordSession',
        summary: 'Record the user of a session',
        description:
          'For identity providers with logout tokens that name a session (`sid`) but no user. Only logout tokens of ' +
          'the same source use the record. Recording a session again replaces it. It revokes nothing, and no route ' +
          'returns it.',
        body: SessionBody,
        response: { 204: z.null().describe('Recorded'), default: problemAnswer },
        'x-facts': { examples: EXAMPLES },
      },
    },
    async (request, reply) => {
      const { params, body } = request
      const tenant = tenantFor(body.tenant, provenSender(request), tenants)
      await store.noteSession(sessionSources.named(body.source, tenant, '/source'), {
        sid: params.sid,
        user: userOf(body),
        expiresAt: expiryOf(body, clock.now()),
      })
      return reply.code(204).send(null)
    },
  )

  app.delete(
    '/sessions/:sid',
    {
      config,
      schema: {
        ...shared,
        operationId: 'deleteSession',
        summary: 'Delete the record of a session',
        description: 'Revokes nothing. Deleting an unknown session succeeds.',
        querystring: z.strictObject({ tenant, source }),
        response: { 204: z.null().describe('Deleted'), default: problemAnswer },
      },
    },
    async (request, reply) => {
      const { params, query } = request
      const tenant = tenantFor(query.tenant, provenSender(request), tenants)
      await store.forgetSession(sessionSources.named(query.source, tenant, 'source'), params.sid)
      return reply.code(204).send(null)
    },
  )
}

/** @throws CURFEW_REQUEST_INVALID */
function expiryOf({ expiresAt, ttlSeconds }: SessionBody, now: number): number {
  if (expiresAt === undefined) return now + (ttlSeconds ?? DAY_S) * 1000
  const at = Date.parse(expiresAt)
  if (at > now && at <= now + LONGEST_S * 1000) return at
  throw invalidMember('/expiresAt', 'expected a time in the future, up to 30 days from now')
}

export default fp(sessions, { name: 'sessions', ...PROVEN })
