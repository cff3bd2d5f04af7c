import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
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
import type { TakeLogoutToken } from './logout-token.ts'

/**
 * `POST /sources/{name}/backchannel-logout`: an OpenID provider tells that a user has logged out
 * (https://openid.net/specs/openid-connect-backchannel-1_0.html). Answers 200 when that is durable: providers take
 * nothing else for a success, and wait 2.5 s at the least.
 */
export default withRawBodies<SourceRoutes & { takeLogoutToken: TakeLogoutToken }>(
  ['oidc-back-channel-logout'],
  (app, options) => {
    const { sources, takeLogoutToken } = options
    app.post(
      '/sources/:name/backchannel-logout',
      {
        schema: {
          summary: 'OpenID Connect Back-Channel Logout 1.0',
          description:
            'A form with a `logout_token`, signed by the issuer of the source. With `sid` and without `sub` the session ' +
            'must have been told before, by `PUT /sessions/{sid}`.',
          tags: ['sources'],
          params: SourceParams,
          consumes: ['application/x-www-form-urlencoded'],
          body: z.object({ logout_token: z.string().describe('A signed JWT') }),
          response: {
            200: z.null().describe('It is durable'),
            400: oauthError('The token proves nothing, or names nobody'),
            503: oauthError("The issuer's keys or the store cannot be had: send it again"),
          },
        },
        errorHandler: refuse,
      },
      async (request, reply) => {
        const source = sourceOf(request, sources, 'oidc-back-channel-logout')
        const { replayed } = await takeLogoutToken(source, logoutTokenOf(request))
        // Not thrown: it is counted as a repetition already, not as a refusal.
        if (replayed)
          return refuse(new TokenError('claims', 'The token was used before (jti).'), request, reply)
        return reply.header('cache-control', 'no-store').code(200).send()
      },
    )
  },
)

/** The one parameter of the form (section 2.5). */
function logoutTokenOf(request: FastifyRequest): string {
  requireType(request)
  const tokens = new URLSearchParams(bodyOf(request).toString('utf8')).getAll('logout_token')
  const [token] = tokens
  if (token === undefined || tokens.length > 1)
    throw new TokenError('malformed', 'Expected one logout_token.')
  return token
}

/** Answers as section 2.8 has it: 400 with `error` and `error_description`; what may pass is a 503. */
function refuse(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, error, description } = refusalOf(thrown, request, reply)
  return reply.code(status).send({ error, error_description: description })
}
