import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { ApiError } from './api-error.ts'
import { ASSERTION_TYPE, assertedClient } from './client-assertion.ts'
import type { Gate } from './gate.ts'
import { readInput } from './input.ts'
import type { SandboxClient, Tenant } from './tenant.ts'
import type { SandboxToken } from './token-shelf.ts'

const text = z.string().min(1)
const absent = z.undefined('expected client_secret or client_assertion, not both').optional()
const grant = { grant_type: z.literal('client_credentials'), scope: z.string().default('user_default') }
const bySecret = z.object({
  ...grant,
  client_id: text,
  client_secret: text,
  client_assertion_type: absent,
  client_assertion: absent,
})
/** RFC 7521, section 4.2: `client_id` is optional. */
const byAssertion = z.object({
  ...grant,
  client_id: text.optional(),
  client_secret: absent,
  client_assertion_type: z.literal(ASSERTION_TYPE),
  client_assertion: text,
})
const grantSchema = z.union([bySecret, byAssertion])
type Grant = z.infer<typeof grantSchema>
const clientSchema = z.object({
  client_id: text.optional().catch(undefined),
  client_assertion: text.optional().catch(undefined),
})

/**
 * `POST /oauth/token` for M2M clients. It is a tier 2 call, counted for the client's bot user even if the secret or the
 * assertion is wrong.
 *
 * Source: https://qlik.dev/authenticate/oauth/manage-oauth-tokens/, https://qlik.dev/apis/rest/oauth
 */
export function grantRoutes(app: FastifyInstance, tenant: Tenant, gate: Gate): void {
  app.post(
    '/oauth/token',
    gate('token', 2, (request) => botUserOf(tenant, request.body)),
    async (request, reply) => {
      const grant = readInput(grantSchema, request.body)
      const client = await provenClient(tenant, grant, request)
      if (client === null) throw new ApiError(401)
      if (client.disabled) throw new ApiError(403)
      reply.header('cache-control', 'no-store')
      return grantBody(client, tenant.issueAccessToken(client, grant.scope), grant.scope)
    },
  )
}

/** The authenticated client; null if authentication fails. An assertion must be sent in a form, as documented. */
async function provenClient(
  tenant: Tenant,
  grant: Grant,
  request: FastifyRequest,
): Promise<SandboxClient | null> {
  const client = tenant.clients.get(clientIdOf(grant) ?? '')
  if (client === undefined) return null
  if (grant.client_assertion === undefined) {
    return client.secrets.includes(grant.client_secret) ? client : null
  }
  if (!request.headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
    throw new ApiError(400)
  }
  const audience = `${request.protocol}://${request.host}/oauth/token`
  const isProven = await tenant.assertions.prove(client, grant.client_assertion, audience, tenant.now())
  return isProven ? client : null
}

/** The client that a request names. If the form and the assertion differ, the one in the form must be proven. */
function clientIdOf({ client_id, client_assertion }: z.infer<typeof clientSchema>): string | null {
  return client_id ?? (client_assertion === undefined ? null : assertedClient(client_assertion))
}

function botUserOf(tenant: Tenant, body: unknown): string | null {
  const { data } = clientSchema.safeParse(body)
  return (data && tenant.clients.get(clientIdOf(data) ?? '')?.userId) ?? null
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
