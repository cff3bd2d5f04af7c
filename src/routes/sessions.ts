import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { invalidMember } from '../base/errors.ts'
import type { InboundOptions } from '../http/answer.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { problemAnswer } from '../http/problems.ts'
import { hasOneName, ONE_NAME, UserNames, userOf } from '../http/signal-body.ts'
import type { SessionSources } from '../revocation/session-sources.ts'
import { Identifier } from '../revocation/signal.ts'
import type { RevocationStore } from '../revocation/store.ts'
import { tenantFor } from '../revocation/tenant-bounds.ts'

const DAY_S = 24 * 60 * 60
/** Longer than providers keep sessions; what is forgotten too early is a logout that is refused. */
const LONGEST_S = 30 * DAY_S

export interface SessionsOptions extends Pick<InboundOptions, 'tenants' | 'clock'> {
  store: Pick<RevocationStore, 'noteSession' | 'forgetSession'>
  sessionSources: Pick<SessionSources, 'named'>
}

const tenant = Identifier.optional().describe(
  'Name of the Qlik tenant; when it is left out, the only one that the sender is for, else the default one',
)
const source = Identifier.optional().describe(
  'Name of the source whose issuer names the session; when it is left out, the only one of the tenant that names sessions',
)
const SessionBody = z
  .strictObject({
    ...UserNames.shape,
    tenant,
    source,
    expiresAt: z.iso
      .datetime({ offset: true, error: 'expected ISO 8601 with an offset, as in 2026-05-04T12:00:00Z' })
      .optional()
      .describe('Until when it can last (ISO 8601), 30 days at most'),
    ttlSeconds: z
      .int()
      .min(1)
      .max(LONGEST_S)
      .optional()
      .describe('The same in seconds from now; 24 hours when both are left out'),
  })
  .refine(hasOneName, ONE_NAME)
  .refine(
    ({ expiresAt, ttlSeconds }) => expiresAt === undefined || ttlSeconds === undefined,
    'expected expiresAt or ttlSeconds, not both',
  )
type SessionBody = z.infer<typeof SessionBody>

/**
 * `PUT /sessions/:sid` and `DELETE /sessions/:sid`: a web back end that has seen a user log in records whose session
 * it is, for providers whose logout tokens name a session and no user. A `sid` belongs to its issuer, so to a source.
 */
const sessions: FastifyPluginAsyncZod<SessionsOptions> = async (app, options) => {
  const { store, sessionSources, tenants, clock } = options
  const params = z.object({ sid: Identifier.describe('The claim `sid` of the ID token') })
  const shared = { params, tags: ['sessions'], security: [{ apiKey: [] }] }
  const config = { senders: ['api-key'] as const }

  app.put(
    '/sessions/:sid',
    {
      config,
      schema: {
        ...shared,
        summary: 'Record whose session it is',
        description:
          'For identity providers whose logout tokens name a session (`sid`) and no user. Only logout tokens of its source ' +
          'find it. Recorded again, it is replaced. It ends nothing and can be read by nobody.',
        body: SessionBody,
        response: { 204: z.null().describe('It is recorded'), default: problemAnswer },
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
        summary: 'Forget a session',
        description: 'Logs nobody out. One that is not known is forgotten already.',
        querystring: z.strictObject({ tenant, source }),
        response: { 204: z.null().describe('It is forgotten'), default: problemAnswer },
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
  throw invalidMember('/expiresAt', 'expected a time in the future, 30 days away at most')
}

export default fp(sessions, { name: 'sessions', ...PROVEN })
