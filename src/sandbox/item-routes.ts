import type { FastifyInstance } from 'fastify'
import { authenticate } from './bearer.ts'
import type { Gate } from './gate.ts'
import { linkTo } from './links.ts'
import type { Tenant } from './tenant.ts'

/**
 * `GET /api/v1/items`: a resource that a user's token can read until it is revoked.
 *
 * Source: https://qlik.dev/apis/rest/items
 */
export function itemRoutes(app: FastifyInstance, tenant: Tenant, gate: Gate): void {
  app.get('/api/v1/items', gate('items', 1), (request) => {
    const { userId } = authenticate(tenant, request)
    const item = {
      id: 'sales',
      name: 'Sales dashboard',
      resourceType: 'app',
      ownerId: userId,
      tenantId: tenant.id,
    }
    return { data: [item], links: { self: linkTo(tenant, request) } }
  })
}
