import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ApiError, errorBody } from './api-error.ts'
import { authenticate } from './bearer.ts'
import type { Gate } from './gate.ts'
import { readInput } from './input.ts'
import { linkTo } from './links.ts'
import { pageOf } from './paging.ts'
import type { Tenant } from './tenant.ts'
import type { SandboxToken } from './token-shelf.ts'

const PATH = '/api/v1/oauth-tokens'

/**
 * Lists and revokes OAuth tokens.
 *
 * Source: https://qlik.dev/apis/rest/oauth-tokens
 */
export function tokenRoutes(app: FastifyInstance, tenant: Tenant, gate: Gate): void {
  let list = listSchema(tenant.settings.pageSizeMax)
  app.get(PATH, gate('list', 1), (request) => {
    const { settings } = tenant
    if (list.pageSizeMax !== settings.pageSizeMax) list = listSchema(settings.pageSizeMax)
    const query = readInput(list.schema, request.query)
    const visible = visibleTokens(tenant, authenticate(tenant, request), query.userId)
    const page = pageOf(visible, query, settings)
    if (page === null) throw new ApiError(400, errorBody(400, { detail: 'page is invalid or has expired' }))
    return {
      data: page.rows.map((token) => rowOf(tenant, token)),
      links: {
        self: linkTo(tenant, request),
        ...(page.next && { next: linkTo(tenant, request, { page: page.next }) }),
        ...(page.prev && { prev: linkTo(tenant, request, { page: page.prev }) }),
      },
    }
  })

  app.delete<{ Params: { id: string } }>(`${PATH}/:id`, gate('revoke', 2), (request, reply) => {
    const caller = authenticate(tenant, request)
    const token = tenant.tokens.withId(request.params.id)
    if (token === undefined || !tenant.tokens.isAlive(token)) {
      if (tenant.settings.unknownTokenDelete === 404) throw new ApiError(404)
    } else {
      if (token.userId !== caller.userId && !tenant.isAdmin(caller)) throw new ApiError(403)
      tenant.tokens.revoke(token)
    }
    reply.code(204).send()
  })
}

/** Created again only if the page size changes: it costs as much as the rest of a call. */
function listSchema(pageSizeMax: number) {
  const schema = z.object({
    userId: z.string().optional(),
    limit: z.coerce.number().int().min(1).max(pageSizeMax).default(Math.min(20, pageSizeMax)),
    page: z.string().optional(),
    sort: z.literal('userId').optional(),
  })
  return { schema, pageSizeMax }
}

/** A caller who is not an admin gets an empty list of other users' tokens, not an error. */
function visibleTokens(tenant: Tenant, caller: SandboxToken, userId?: string): readonly SandboxToken[] {
  if (tenant.isAdmin(caller)) return tenant.tokens.listed(userId)
  return userId === undefined || userId === caller.userId ? tenant.tokens.listed(caller.userId) : []
}

function rowOf(tenant: Tenant, token: SandboxToken): object {
  return {
    id: token.id,
    tenantId: tenant.id,
    userId: token.userId,
    clientId: token.clientId,
    description: null,
    deviceType: token.deviceType,
    lastUsed: token.lastUsed === null ? null : new Date(token.lastUsed).toISOString(),
  }
}
