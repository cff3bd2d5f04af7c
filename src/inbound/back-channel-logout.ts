import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { RevocationStore } from '../revocation/store.ts'
import { type LogoutClaims, logoutTokenRules, readLogoutToken } from '../sources/oidc-back-channel.ts'
import { type Statement, sourceSignal, tenantOf } from '../sources/source-signal.ts'
import type { OpenSource } from '../sources/sources.ts'
import { TokenError, takenUntil, verifyToken } from '../sources/verify-token.ts'
import { oauthError, refusalOf } from './refusal.ts'
import {
  bodyOf,
  requireType,
  SourceParams,
  type SourceRouteOptions,
  sourceOf,
  withRawBodies,
} from './sources.ts'

const KIND = 'oidc-back-channel-logout'

export interface BackChannelLogoutOptions extends SourceRouteOptions {
  /** Whose session it is, where a token names nothing else. */
  findSession: RevocationStore['findSession']
}

/**
 * `POST /sources/{name}/backchannel-logout`: an OpenID provider tells that a user has logged out
 * (https://openid.net/specs/openid-connect-backchannel-1_0.html). Answers 200 when that is durable: providers take
 * nothing else for a success, and wait 2.5 s at the least.
 */
export default withRawBodies<BackChannelLogoutOptions>((app, options) => {
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
      // For the documentation: what has come is bytes until the source is known.
      validatorCompiler: () => (value) => ({ value }),
      errorHandler: refuse,
    },
    async (request, reply) => {
      const source = sourceOf(request, options.sources, KIND)
      const claims = await prove(source, logoutTokenOf(request), options)
      const { tenants, clock } = options
      const statement = await statementOf(source, claims, options)
      const signal = sourceSignal(source.config, statement, { tenants, now: clock.now() })
      const { replayed } = await options.accept([signal], replayOf(source, claims))
      // Not thrown: it is counted as a repetition already, not as a refusal.
      if (replayed)
        return refuse(new TokenError('claims', 'The token was used before (jti).'), request, reply)
      return reply.header('cache-control', 'no-store').code(200).send()
    },
  )
})

/** The one parameter of the form (section 2.5). */
function logoutTokenOf(request: FastifyRequest): string {
  requireType(request)
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

/** What the token says: by its subject, or, where it names none, by a session whose user is known. */
async function statementOf(
  { config }: OpenSource<typeof KIND>,
  claims: LogoutClaims,
  { tenants, clock, findSession }: BackChannelLogoutOptions,
): Promise<Statement> {
  const { sub, sid, iat } = claims
  const statement = { values: claims, reason: 'logout', occurredAt: iat * 1000 } as const
  if (sub !== undefined || sid === undefined) {
    const as = config.user?.as ?? 'subject'
    return { ...statement, user: { as, from: as === 'email' ? '{email}' : '{sub}' } }
  }
  const session = await findSession(tenantOf(config, claims, tenants), sid, clock.now())
  if (session) return { ...statement, user: session.user }
  throw new TokenError(
    'claims',
    'The token names a session (sid) and no user (sub), and nobody has told whose it is: see PUT /sessions/{sid}.',
  )
}

/** A token is good once (section 2.6, number 8): sent again it does nothing, as long as it has not expired. */
function replayOf({ config }: OpenSource<typeof KIND>, claims: LogoutClaims) {
  return { key: `${KIND}:${config.name}:${claims.jti}`, fingerprint: null, keepUntil: takenUntil(claims) }
}

/** Answers as section 2.8 has it: 400 with `error` and `error_description`; what may pass is a 503. */
function refuse(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, description } = refusalOf(thrown, request, reply)
  const error =
    status === 503 ? 'temporarily_unavailable' : status >= 500 ? 'server_error' : 'invalid_request'
  return reply.code(status).send({ error, error_description: description })
}
