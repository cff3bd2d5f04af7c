import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CurfewError } from '../errors.ts'
import { userKey } from '../revocation/coalesce.ts'
import type { KnowsUser } from '../revocation/knows-user.ts'
import type { Signal } from '../revocation/signal.ts'
import type { ReplayKey } from '../revocation/store.ts'
import {
  type BearerClaims,
  bearerTokenRules,
  readBearerToken,
  subjectOf,
} from '../sources/global-token-revocation.ts'
import { sourceSignal } from '../sources/source-signal.ts'
import type { OpenSource } from '../sources/sources.ts'
import { chooseSubject } from '../sources/subject-identifier.ts'
import { TokenError, takenUntil, verifyToken } from '../sources/verify-token.ts'
import { oauthError, refusalOf } from './refusal.ts'
import { soleHeader } from './sole-header.ts'
import {
  bodyOf,
  requireType,
  SourceParams,
  type SourceRouteOptions,
  sourceOf,
  withRawBodies,
} from './sources.ts'

const KIND = 'global-token-revocation'
type Source = OpenSource<typeof KIND>

export interface GlobalTokenRevocationOptions extends SourceRouteOptions {
  knowsUser: KnowsUser
}

/** Asked for a user whom the tenant does not have. */
class UserUnknown extends Error {}

/**
 * `POST /sources/{name}/global-token-revocation`
 * (https://datatracker.ietf.org/doc/draft-parecki-oauth-global-token-revocation/, and the profile that Okta's Universal
 * Logout makes of it). 204 when the revocation is durable: it "has begun". The draft
 * has statuses and no bodies; those of errors have the form of OAuth's.
 */
export default withRawBodies<GlobalTokenRevocationOptions>((app, options) => {
  app.post(
    '/sources/:name/global-token-revocation',
    {
      schema: {
        summary: 'OAuth Global Token Revocation, Okta Universal Logout',
        description:
          'A body with `sub_id`, a subject identifier (RFC 9493), and `Authorization: Bearer` with a JWT that is signed ' +
          'by the issuer of the source.',
        tags: ['sources'],
        params: SourceParams,
        consumes: ['application/json'],
        body: z.object({ sub_id: z.looseObject({ format: z.string() }) }),
        response: {
          204: z.null().describe('It is durable: the revocation has begun'),
          400: oauthError('The body is not as it should be'),
          401: oauthError('The token proves nothing'),
          403: oauthError('The sender may not speak for that tenant'),
          404: oauthError('The tenant has no such user'),
          422: oauthError('The subject names no user in a way that the source is configured for'),
          503: oauthError("The issuer's keys or the store cannot be had: send it again"),
        },
      },
      // For the documentation: what has come is bytes until the sender is proven.
      validatorCompiler: () => (value) => ({ value }),
      errorHandler: refuse,
    },
    async (request, reply) => {
      const source = sourceOf(request, options.sources, KIND)
      const claims = await prove(source, request, options)
      const identifier = identifierIn(request)
      const signal = toSignal(source, claims, identifier, options)
      if ((await options.knowsUser(signal.tenant, signal.user)) === 'unknown') throw new UserUnknown()
      await options.accept([signal], replayOf(source, claims, signal))
      return reply.header('cache-control', 'no-store').code(204).send()
    },
  )
})

/** Before anything of the body is parsed. */
async function prove(
  { config, keys }: Source,
  request: FastifyRequest,
  { clock }: SourceRouteOptions,
): Promise<BearerClaims> {
  const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(soleHeader(request, 'authorization') ?? '')?.[1]
  if (token === undefined)
    throw new TokenError('malformed', 'Expected one header Authorization, Bearer with a JWT.')
  if (!keys) throw new TokenError('unavailable', 'The source has no keys.')
  const { claims } = await verifyToken(token, bearerTokenRules(config), keys, clock.now())
  return readBearerToken(claims, config.senderSubject)
}

function identifierIn(request: FastifyRequest): object {
  requireType(request)
  const identifier = subjectOf(parsed(bodyOf(request)))
  if (!identifier) throw new CurfewError('CURFEW_REQUEST_INVALID', 'Expected sub_id, a subject identifier.')
  return identifier
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw new CurfewError('CURFEW_BODY_UNREADABLE')
  }
}

function toSignal(
  { config }: Source,
  claims: BearerClaims,
  identifier: object,
  { tenants, clock }: SourceRouteOptions,
) {
  const subject = chooseSubject(identifier, config, { claims })
  const statement = { ...subject, reason: 'security', occurredAt: null } as const
  return sourceSignal(config, statement, { tenants, now: clock.now() })
}

/** A token is good once, and for one user: another one under it is not passed over in silence. */
function replayOf({ config }: Source, claims: BearerClaims, { tenant, user }: Signal): ReplayKey {
  const fingerprint = userKey(tenant, user)
  return { key: `${KIND}:${config.name}:${claims.jti}`, fingerprint, keepUntil: takenUntil(claims) }
}

function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const refusal = refusalOf(
    error instanceof UserUnknown ? new CurfewError('CURFEW_NOT_FOUND') : error,
    request,
    reply,
  )
  const { status, code, description, fault } = refusal
  const send = (as: number, name: string, text = description) =>
    reply.code(as).send({ error: name, error_description: text })
  if (error instanceof UserUnknown) return send(404, 'unknown_user', 'The tenant has no such user.')
  if (fault === 'unavailable') return send(503, 'temporarily_unavailable')
  if (fault !== null) return challenge(reply, description)
  if (code === 'CURFEW_IDEMPOTENCY_MISMATCH')
    return challenge(reply, 'The token was used for another subject.')
  if (code === 'CURFEW_UNKNOWN_TENANT') return send(403, 'access_denied')
  if (code === 'CURFEW_SUBJECT_UNKNOWN') return send(422, 'unsupported_subject')
  if (status === 400) return send(400, 'invalid_request')
  return send(status, status >= 500 ? 'server_error' : 'invalid_request')
}

/** RFC 6750, section 3. */
function challenge(reply: FastifyReply, description: string): FastifyReply {
  return reply
    .code(401)
    .header('www-authenticate', `Bearer error="invalid_token", error_description="${description}"`)
    .send({ error: 'invalid_token', error_description: description })
}
