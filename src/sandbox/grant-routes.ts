import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ApiError } from './api-error.ts'
import type { Gate } from './gate.ts'
import { readInput } from './input.ts'
import type { SandboxClient, Tenant } from './tenant.ts'
import type { SandboxToken } from './token-shelf.ts'

const grantSchema = z.object({
  grant_type: z.literal('client_credentials'),
  client_id: z.string().min(1),
  client_secret: z.string().min(1),
  scope: z.string().default('user_default'),
})
const clientIdSchema = grantSchema.pick({ client_id: true })

/**
 * `POST /oauth/token` for M2M clients. It is tier 2, counted for the client's bot user whether or not the
 * secret is right.
 *
 * Source: https://qlik.dev/authenticate/oauth/manage-oauth-tokens/, https://qlik.dev/apis/rest/oauth
 */
export function grantRoutes(app: FastifyInstance, tenant: Tenant, gate: Gate): void {
  app.post(
    '/oauth/token',
    gate('token', 2, (request) => botUserOf(tenant, request.body)),
    (request, reply) => {
      const grant = readInput(grantSchema, request.body)
      const client = tenant.clients.get(grant.client_id)
      if (client?.secret !== grant.client_secret) throw new ApiError(401)
      if (client.disabled) throw new ApiError(403)
      reply.header('cache-control', 'no-store')
      return grantBody(client, tenant.issueAccessToken(client, grant.scope), grant.scope)
    },
  )
}

function botUserOf(tenant: Tenant, body: unknown): string | null {
  const { data } = clientIdSchema.safeParse(body)
  return (data && tenant.clients.get(data.client_id)?.userId) ?? null
}

function grantBody(client: SandboxClient, token: SandboxToken, requestedScope: string): object {
  const { expiryFields, accessTokenLifetimeMs, answeredScope } = client
  const expiresAt = token.issuedAt + accessTokenLifetimeMs
  return {
    access_token: token.accessToken,
    token_type: 'bearer',
    ...(answeredScope !== 'none' && { scope: answeredScope === 'granted' ? token.scope : requestedScope }),
    ...(['both', 'expires_at'].includes(expiryFields) && { expires_at: new Date(expiresAt).toISOString() }),
    ...(['both', 'expires_in'].includes(expiryFields) && {
      expires_in: Math.floor(accessTokenLifetimeMs / 1000),
    }),
  }
}
