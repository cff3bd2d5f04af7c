import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { invalidMember } from '../base/errors.ts'
import type { InboundOptions } from '../http/answer.ts'
import { PROVEN, provenSender } from '../http/authenticate.ts'
import { describeExactlyOne } from '../http/exactly-one.ts'
import { originOf } from '../http/origin-of.ts'
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
const sid = Identifier.describe('The `sid` claim of the ID token')
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
const SessionMembers = z.strictObject({ ...UserNames.shape, ...OTHERS })
type SessionMembers = z.infer<typeof SessionMembers>

const hasOneExpiry = ({ expiresAt, ttlSeconds }: SessionMembers) =>
  expiresAt === undefined || ttlSeconds === undefined
const ONE_EXPIRY = 'expected expiresAt or ttlSeconds, not both'
const NOT_BOTH = { required: ['expiresAt', 'ttlSeconds'] }

const SessionBody = SessionMembers.refine(hasOneName, ONE_NAME)
  .refine(hasOneExpiry, ONE_EXPIRY)
  .meta({ oneOf: describeExactlyOne(UserNames.shape, OTHERS), not: NOT_BOTH })
const NamedSessionBody = SessionMembers.extend({ sid })
  .refine(hasOneName, ONE_NAME)
  .refine(hasOneExpiry, ONE_EXPIRY)
  .meta({ oneOf: describeExactlyOne(UserNames.shape, { ...OTHERS, sid }), not: NOT_BOTH })
const AT_LOGIN = { email: 'ann@example.com', ttlSeconds: 43_200 }

const SessionName = z.strictObject({ sid, tenant, source })
type SessionName = z.infer<typeof SessionName>

const IN_BODY = 'For a `sid` that a proxy would change in a path, such as one with a slash. '

/**
 * `PUT` and `DELETE` of `/sessions/:sid`, or of `/sessions` with the `sid` in the body: a web back end records the user
 * of a session at login, for providers with logout tokens that name a session but no user. A `sid` is unique per
 * issuer, so sessions are stored per source.
 */
const sessions: FastifyPluginAsyncZod<SessionsOptions> = async (app, options) => {
  const { store, sessionSources, tenants, clock } = options
  const params = z.object({ sid })
  const shared = { tags: ['sessions'], security: [{ apiKey: [] }] }
  const config = { senders: ['api-key'], role: 'sessions' } as const
  const recorded = {
    summary: 'Record the user of a session',
    description:
      'For identity providers with logout tokens that name a session (`sid`) but no user. Only logout tokens of ' +
      'the same source use the record. Recording a session again replaces it. It revokes nothing, and no route ' +
      'returns it.',
    response: { 204: z.null().describe('Recorded'), default: problemAnswer },
  }
  const deleted = {
    summary: 'Delete the record of a session',
    description: 'Revokes nothing. Deleting an unknown session succeeds.',
    response: { 204: z.null().describe('Deleted'), default: problemAnswer },
  }

  const record = async (request: FastifyRequest, sid: string, body: SessionMembers) => {
    const tenant = tenantFor(body.tenant, provenSender(request), tenants)
    const of = sessionSources.named(body.source, tenant, '/source')
    const session = { sid, user: userOf(body), expiresAt: expiryOf(body, clock.now()) }
    await store.noteSession(of, session, originOf(request))
  }
  /** @param member where the request names the source */
  const forget = async (request: FastifyRequest, { sid, ...named }: SessionName, member: string) => {
    const tenant = tenantFor(named.tenant, provenSender(request), tenants)
    await store.forgetSession(sessionSources.named(named.source, tenant, member), sid, originOf(request))
  }

  app.put(
    '/sessions/:sid',
    {
      config,
      schema: {
        ...shared,
        ...recorded,
        operationId: 'recordSession',
        params,
        body: SessionBody,
        'x-facts': { examples: { login: { summary: 'At login', value: AT_LOGIN } } },
      },
    },
    async (request, reply) => {
      await record(request, request.params.sid, request.body)
      return reply.code(204).send(null)
    },
  )

  app.put(
    '/sessions',
    {
      config,
      schema: {
        ...shared,
        ...recorded,
        description: IN_BODY + recorded.description,
        operationId: 'recordNamedSession',
        body: NamedSessionBody,
        'x-facts': { examples: { login: { summary: 'At login', value: { sid: 'a/b', ...AT_LOGIN } } } },
      },
    },
    async (request, reply) => {
      await record(request, request.body.sid, request.body)
      return reply.code(204).send(null)
    },
  )

  app.delete(
    '/sessions/:sid',
    {
      config,
      schema: {
        ...shared,
        ...deleted,
        operationId: 'deleteSession',
        params,
        querystring: z.strictObject({ tenant, source }),
      },
    },
    async (request, reply) => {
      await forget(request, { ...request.params, ...request.query }, 'source')
      return reply.code(204).send(null)
    },
  )

  app.delete(
    '/sessions',
    {
      config,
      schema: {
        ...shared,
        ...deleted,
        operationId: 'deleteNamedSession',
        description: IN_BODY + deleted.description,
        body: SessionName,
        'x-facts': { examples: { logout: { summary: 'At logout', value: { sid: 'a/b' } } } },
      },
    },
    async (request, reply) => {
      await forget(request, request.body, '/source')
      return reply.code(204).send(null)
    },
  )
}

/** @throws CURFEW_REQUEST_INVALID */
function expiryOf({ expiresAt, ttlSeconds }: SessionMembers, now: number): number {
  if (expiresAt === undefined) return now + (ttlSeconds ?? DAY_S) * 1000
  const at = Date.parse(expiresAt)
  if (at > now && at <= now + LONGEST_S * 1000) return at
  throw invalidMember('/expiresAt', 'expected a time in the future, up to 30 days from now')
}

export default fp(sessions, { name: 'sessions', ...PROVEN })
