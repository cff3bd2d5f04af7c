import type { FastifyReply, FastifyRequest } from 'fastify'
import { CurfewError, ERRORS } from '../errors.ts'
import type { Signal } from '../revocation/signal.ts'
import { type LogoutClaims, logoutTokenRules, readLogoutToken } from '../sources/oidc-back-channel.ts'
import { sourceSignal } from '../sources/source-signal.ts'
import type { OpenSource } from '../sources/sources.ts'
import { TokenError, verifyToken } from '../sources/verify-token.ts'
import { bodyOf, SourceParams, type SourceRouteOptions, sourceOf, withRawBodies } from './sources.ts'

const KIND = 'oidc-back-channel-logout'

/**
 * `POST /sources/{name}/backchannel-logout`: an OpenID provider tells that a user has logged out
 * (https://openid.net/specs/openid-connect-backchannel-1_0.html). Answers 200 when that is durable: providers take
 * nothing else for a success, and wait 2.5 s at the least.
 */
export default withRawBodies((app, options) => {
  app.post(
    '/sources/:name/backchannel-logout',
    {
      schema: {
        summary: 'OpenID Connect Back-Channel Logout 1.0',
        description: 'A form with a `logout_token`, signed by the issuer of the source.',
        tags: ['sources'],
        params: SourceParams,
      },
      errorHandler: (error, request, reply) => refuse(error, request, reply),
    },
    async (request, reply) => {
      const source = sourceOf(request, options.sources, KIND)
      const claims = await prove(source, logoutTokenOf(request), options)
      const signal = toSignal(source, claims, options)
      await options.accept([signal], replayOf(source, claims))
      return reply.header('cache-control', 'no-store').code(200).send()
    },
  )
})

/** The one parameter of the form (section 2.5). */
function logoutTokenOf(request: FastifyRequest): string {
  if (!/^application\/x-www-form-urlencoded *(;|$)/i.test(request.headers['content-type'] ?? ''))
    throw new TokenError('malformed', 'Expected a form (application/x-www-form-urlencoded).')
  const tokens = new URLSearchParams(bodyOf(request).toString('utf8')).getAll('logout_token')
  const [token] = tokens
  if (token === undefined || tokens.length > 1)
    throw new TokenError('malformed', 'Expected one logout_token.')
  return token
}

async function prove(
  { config, keys }: OpenSource<typeof KIND>,
  token: string,
  { clock }: SourceRouteOptions,
): Promise<LogoutClaims> {
  if (!keys) throw new TokenError('unavailable', 'The source has no keys.')
  const { claims } = await verifyToken(token, logoutTokenRules(config), keys, clock.now())
  return readLogoutToken(claims)
}

function toSignal(
  { config }: OpenSource<typeof KIND>,
  claims: LogoutClaims,
  { tenants, clock }: SourceRouteOptions,
): Signal {
  return sourceSignal(
    config,
    {
      values: claims,
      user: { as: 'subject', from: '{sub}' },
      reason: 'logout',
      occurredAt: claims.iat * 1000,
    },
    { tenants, now: clock.now() },
  )
}

/** A token is good once: sent again it does nothing, as long as it has not expired. */
function replayOf({ config }: OpenSource<typeof KIND>, { jti, exp }: LogoutClaims) {
  return { key: `${KIND}:${config.name}:${jti}`, fingerprint: null, keepUntil: exp * 1000 }
}

/** Errors as section 2.8 has them: 400 with `error` and `error_description`. */
function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.header('cache-control', 'no-store')
  if (error instanceof TokenError) {
    const status = error.fault === 'unavailable' ? 503 : 400
    if (status === 503) reply.header('retry-after', 5)
    return reply.code(status).send({ error: 'invalid_request', error_description: error.message })
  }
  const code = error instanceof CurfewError ? error.code : 'CURFEW_INTERNAL'
  const status = ERRORS[code].status ?? 500
  if (status >= 500) request.log.error({ err: error, code }, 'a request failed')
  if (error instanceof CurfewError && error.retryAfterSeconds !== null)
    reply.header('retry-after', error.retryAfterSeconds)
  return reply.code(status).send({
    error: status >= 500 ? 'server_error' : 'invalid_request',
    error_description: error instanceof CurfewError ? error.message : ERRORS[code].title,
  })
}
