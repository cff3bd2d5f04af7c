import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import type { ConfiguredSources } from '../common/configured-sources.ts'
import { oauthError, refusalOf } from '../common/refusal.ts'
import { bodyOf, EXAMPLE_JWT, requireType, sourceRoute } from '../common/route.ts'
import type { LogoutSource, TakeLogoutToken } from './logout-token.ts'

/**
 * `POST /sources/{name}/backchannel-logout`: an OpenID provider reports that a user has logged out
 * (https://openid.net/specs/openid-connect-backchannel-1_0.html). The answer is 200 when the signal is durable:
 * providers accept no other status as success, and wait at least 2.5 s.
 */
export function backChannelLogoutRoute(
  sources: ConfiguredSources<LogoutSource>,
  takeLogoutToken: TakeLogoutToken,
): FastifyPluginAsync {
  return sourceRoute(sources, {
    method: 'POST',
    path: 'backchannel-logout',
    schema: {
      operationId: 'receiveLogoutToken',
      summary: 'OpenID Connect Back-Channel Logout 1.0',
      description:
        'A form with a `logout_token`, signed by the issuer of the source. A token with `sid` and without `sub` requires that ' +
        '`PUT /sessions/{sid}` has recorded the session.',
      consumes: ['application/x-www-form-urlencoded'],
      body: z.object({ logout_token: z.string().describe('A signed JWT') }),
      response: {
        200: z.null().describe('The signal is durable'),
        400: oauthError('The token is not accepted as proof, or identifies no user'),
        503: oauthError("The issuer's keys or the store are unavailable: send it again"),
      },
      'x-facts': {
        examples: { logout: { summary: 'A logout token', value: { logout_token: EXAMPLE_JWT } } },
      },
    },
    errorHandler: refuse,
    async handle(source, request, caller) {
      await takeLogoutToken(source, logoutTokenOf(request), caller)
      return { status: 200 }
    },
  })
}

/** The only parameter of the form (section 2.5). */
function logoutTokenOf(request: FastifyRequest): string {
  requireType(request)
  const tokens = new URLSearchParams(bodyOf(request).toString('utf8')).getAll('logout_token')
  const [token] = tokens
  if (token === undefined || tokens.length > 1)
    throw new CurfewError('CURFEW_TOKEN_MALFORMED', 'Expected one logout_token.')
  return token
}

/** Section 2.8: 400 with `error` and `error_description`. A temporary failure is a 503. */
function refuse(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, error, description } = refusalOf(thrown, request, reply)
  return reply.code(status).send({ error, error_description: description })
}
