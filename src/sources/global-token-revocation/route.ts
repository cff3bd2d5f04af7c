import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import { soleHeader } from '../../base/sole-header.ts'
import type { ConfiguredSources } from '../common/configured-sources.ts'
import { oauthError, refusalOf } from '../common/refusal.ts'
import { bodyOf, requireType, sourceRoute } from '../common/route.ts'
import type { RevocationSource, TakeGlobalRevocation } from './revocation-token.ts'

const EXAMPLES = {
  email: {
    summary: 'A user by e-mail address',
    value: { sub_id: { format: 'email', email: 'ann@example.com' } },
  },
  subject: {
    summary: 'A user by issuer and subject',
    value: { sub_id: { format: 'iss_sub', iss: 'https://idp.example.com/', sub: '00u1a2b3c4' } },
  },
}

/**
 * `POST /sources/{name}/global-token-revocation`
 * (https://datatracker.ietf.org/doc/draft-parecki-oauth-global-token-revocation/, and Okta's profile of it, Universal
 * Logout). The answer is 204 when the revocation is durable: it "has begun". The draft defines statuses but no
 * bodies, so errors have OAuth's format.
 */
export function globalTokenRevocationRoute(
  sources: ConfiguredSources<RevocationSource>,
  takeGlobalRevocation: TakeGlobalRevocation,
): FastifyPluginAsync {
  return sourceRoute(sources, {
    method: 'POST',
    path: 'global-token-revocation',
    schema: {
      operationId: 'receiveGlobalTokenRevocation',
      summary: 'OAuth Global Token Revocation, Okta Universal Logout',
      description:
        'A body with `sub_id`, a subject identifier (RFC 9493), and `Authorization: Bearer` with a JWT signed by the issuer of ' +
        'the source.',
      security: [{ issuerToken: [] }],
      consumes: ['application/json'],
      body: z.object({
        sub_id: z.looseObject({ format: z.string() }).describe('A subject identifier (RFC 9493)'),
      }),
      response: {
        204: z.null().describe('The revocation is durable and has begun'),
        400: oauthError('The body is invalid'),
        401: oauthError('The token is not accepted as proof'),
        403: oauthError('The source may not name this tenant'),
        404: oauthError('The tenant has no such user'),
        422: oauthError('The subject does not identify a user as the entry of the source requires'),
        503: oauthError("The issuer's keys or the store are unavailable: send it again"),
      },
      'x-facts': { examples: EXAMPLES },
    },
    errorHandler: refuse,
    async handle(source, request, caller) {
      const readBody = () => {
        requireType(request)
        return bodyOf(request)
      }
      await takeGlobalRevocation(source, bearerTokenOf(request), readBody, caller)
      return { status: 204 }
    },
  })
}

function bearerTokenOf({ raw }: FastifyRequest): string {
  const header = soleHeader(raw.headersDistinct, 'authorization') ?? ''
  const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(header)?.[1]
  if (token !== undefined) return token
  throw new CurfewError('CURFEW_TOKEN_MALFORMED', 'Expected one Authorization header: Bearer with a JWT.')
}

function refuse(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, code, error, description } = refusalOf(thrown, request, reply)
  const send = (as: number, name: string) =>
    reply.code(as).send({ error: name, error_description: description })
  if (code.startsWith('CURFEW_TOKEN_')) return challenge(reply, description)
  switch (code) {
    case 'CURFEW_IDEMPOTENCY_MISMATCH':
      return challenge(reply, 'The token was used for another subject.')
    case 'CURFEW_USER_UNKNOWN':
      return send(404, 'unknown_user')
    case 'CURFEW_UNKNOWN_TENANT':
      return send(403, 'access_denied')
    case 'CURFEW_SUBJECT_UNKNOWN':
      return send(422, 'unsupported_subject')
    default:
      return send(status, error)
  }
}

/** RFC 6750, section 3. */
function challenge(reply: FastifyReply, description: string): FastifyReply {
  return reply
    .code(401)
    .header('www-authenticate', `Bearer error="invalid_token", error_description="${description}"`)
    .send({ error: 'invalid_token', error_description: description })
}
