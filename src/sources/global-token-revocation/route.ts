import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import { soleHeader } from '../../base/sole-header.ts'
import { oauthError, refusalOf } from '../common/refusal.ts'
import {
  bodyOf,
  requireType,
  SourceParams,
  type SourceRoutes,
  sourceOf,
  withRawBodies,
} from '../common/route.ts'
import { TokenError } from '../token/verify-token.ts'
import { type TakeGlobalRevocation, UserUnknown } from './revocation-token.ts'

/**
 * `POST /sources/{name}/global-token-revocation`
 * (https://datatracker.ietf.org/doc/draft-parecki-oauth-global-token-revocation/, and the profile that Okta's Universal
 * Logout makes of it). 204 when the revocation is durable: it "has begun". The draft has statuses and no bodies; those of
 * errors have the form of OAuth's.
 */
export default withRawBodies<SourceRoutes & { takeGlobalRevocation: TakeGlobalRevocation }>(
  ['global-token-revocation'],
  (app, options) => {
    const { sources, takeGlobalRevocation } = options
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
        errorHandler: refuse,
      },
      async (request, reply) => {
        const source = sourceOf(request, sources, 'global-token-revocation')
        const readBody = () => {
          requireType(request)
          return bodyOf(request)
        }
        await takeGlobalRevocation(source, bearerTokenOf(request), readBody)
        return reply.header('cache-control', 'no-store').code(204).send()
      },
    )
  },
)

function bearerTokenOf({ raw }: FastifyRequest): string {
  const header = soleHeader(raw.headersDistinct, 'authorization') ?? ''
  const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(header)?.[1]
  if (token !== undefined) return token
  throw new TokenError('malformed', 'Expected one header Authorization, Bearer with a JWT.')
}

function refuse(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const isUserUnknown = thrown instanceof UserUnknown
  const refusal = refusalOf(isUserUnknown ? new CurfewError('CURFEW_NOT_FOUND') : thrown, request, reply)
  const { status, code, error, description, fault } = refusal
  const send = (as: number, name: string, text = description) =>
    reply.code(as).send({ error: name, error_description: text })
  if (isUserUnknown) return send(404, 'unknown_user', 'The tenant has no such user.')
  if (fault !== null) return challenge(reply, description)
  if (code === 'CURFEW_IDEMPOTENCY_MISMATCH')
    return challenge(reply, 'The token was used for another subject.')
  if (code === 'CURFEW_UNKNOWN_TENANT') return send(403, 'access_denied')
  if (code === 'CURFEW_SUBJECT_UNKNOWN') return send(422, 'unsupported_subject')
  return send(status, error)
}

/** RFC 6750, section 3. */
function challenge(reply: FastifyReply, description: string): FastifyReply {
  return reply
    .code(401)
    .header('www-authenticate', `Bearer error="invalid_token", error_description="${description}"`)
    .send({ error: 'invalid_token', error_description: description })
}
