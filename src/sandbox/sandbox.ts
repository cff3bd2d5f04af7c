import Fastify, { type FastifyInstance } from 'fastify'
import { ApiError, answerError } from './api-error.ts'
import { addBodyParsers } from './body-parsers.ts'
import { controlRoutes } from './control-routes.ts'
import { Delays } from './delays.ts'
import { createGate, PASSAGE, recordCall, setDate } from './gate.ts'
import { grantRoutes } from './grant-routes.ts'
import type { IdentityProvider } from './identity-provider/identity-provider.ts'
import { itemRoutes } from './item-routes.ts'
import type { SandboxOptions } from './options.ts'
import { signalRoutes } from './signal-routes.ts'
import { Tenant } from './tenant.ts'
import { tokenRoutes } from './token-routes.ts'
import { userRoutes } from './user-routes.ts'

export type { SandboxCall } from './call-log.ts'

export interface Sandbox {
  /** The tenant's URL, without a trailing slash. */
  url: string
  tenant: Tenant
  /** Closes the server and every connection, including hanging ones. */
  close(): Promise<void>
}

/**
 * Starts a Qlik Cloud tenant on this machine: real HTTP, the endpoints for OAuth tokens and users, the rate limits, and the
 * faults ordered with `tenant.order`.
 *
 * @param provider the identity provider to control with `/sandbox/*`; it is not closed with the tenant
 *
 * Source: https://qlik.dev/apis/rest/
 */
export async function startSandbox(
  options: SandboxOptions = {},
  provider: IdentityProvider | null = null,
): Promise<Sandbox> {
  const tenant = new Tenant(options)
  const delays = new Delays(tenant.settings.after)
  const app = buildApp(tenant, delays, provider)
  const { host, port } = tenant.settings
  const url = await app.listen({ host, port })
  return {
    url,
    tenant,
    async close() {
      delays.cancel()
      await app.close()
    },
  }
}

function buildApp(tenant: Tenant, delays: Delays, provider: IdentityProvider | null): FastifyInstance {
  const app = Fastify({
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    // A long unknown id gets 404 like any other.
    routerOptions: { maxParamLength: 16_384 },
  })
  const gate = createGate(tenant, delays)
  app.decorateRequest(PASSAGE, null)
  app.setErrorHandler(answerError)
  app.setNotFoundHandler((request, reply) => {
    setDate(tenant, reply)
    recordCall(tenant, request, reply, 'unknown', null)
    throw new ApiError(404)
  })
  addBodyParsers(app)
  grantRoutes(app, tenant, gate)
  tokenRoutes(app, tenant, gate)
  userRoutes(app, tenant, gate)
  itemRoutes(app, tenant, gate)
  if (tenant.settings.control) controlRoutes(app, tenant)
  if (tenant.settings.control && provider) signalRoutes(app, tenant, provider)
  return app
}
