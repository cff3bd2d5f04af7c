import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ApiError, errorBody } from './api-error.ts'
import { behaviourSchema } from './behaviour.ts'
import { CREDENTIAL_LISTS } from './client-credentials.ts'
import { deprecationSchema } from './deprecations.ts'
import { faultSchema } from './faults.ts'
import { readInput } from './input.ts'
import type { Tenant } from './tenant.ts'

const text = z.string().min(1)

const userSchema = z.strictObject({
  id: text.optional(),
  subject: text.optional(),
  email: text.optional(),
  name: text.optional(),
  status: text.optional(),
  roles: z.array(text).optional(),
})

const clientChangesSchema = z.strictObject({
  ...CREDENTIAL_LISTS,
  admin: z.boolean().optional(),
  rolesReported: z.union([z.boolean(), z.array(text)]).optional(),
  disabled: z.boolean().optional(),
  grantedScope: z.string().nullable().optional(),
  answeredScope: z.enum(['granted', 'requested', 'none']).optional(),
})

const clientSchema = clientChangesSchema.extend({
  id: text.optional(),
  secret: text.optional(),
  expiryFields: z.enum(['both', 'expires_in', 'expires_at', 'none']).optional(),
  accessTokenLifetimeMs: z.number().int().min(0).optional(),
})

const issueSchema = z.strictObject({
  userId: text,
  count: z.number().int().min(1).max(100_000).optional(),
  deviceType: text.nullable().optional(),
  issuedAt: z.number().int().min(0).optional(),
  grantedAt: z.number().int().min(0).optional(),
  idForm: z.enum(['object-id', 'opaque']).optional(),
  lastUsed: z.number().int().min(0).nullable().optional(),
})

const refreshSchema = z.strictObject({ reuseGrant: z.boolean().optional() })

const callsSchema = z.strictObject({
  tier: z.union([z.literal(1), z.literal(2)]),
  count: z.number().int().min(1).max(100_000),
})

/** `/sandbox/*`: the methods of `Tenant` for another process. Without rate limits, faults and the call log. */
export function controlRoutes(app: FastifyInstance, tenant: Tenant): void {
  app.post('/sandbox/users', (request, reply) => {
    const user = readInput(userSchema, request.body ?? {})
    reply.code(201)
    return orConflict(() => tenant.addUser(user))
  })
  app.post('/sandbox/clients', (request, reply) => {
    const client = readInput(clientSchema, request.body ?? {})
    reply.code(201)
    return orConflict(() => tenant.addClient(client))
  })
  app.patch<{ Params: { id: string } }>('/sandbox/clients/:id', (request) => {
    const changes = readInput(clientChangesSchema, request.body)
    if (!tenant.clients.has(request.params.id)) throw new ApiError(404)
    return tenant.changeClient(request.params.id, changes)
  })
  app.post<{ Params: { id: string } }>('/sandbox/clients/:id/calls', (request) => {
    const { tier, count } = readInput(callsSchema, request.body)
    if (!tenant.clients.has(request.params.id)) throw new ApiError(404)
    return { passed: tenant.spendCalls(request.params.id, tier, count) }
  })
  app.delete<{ Params: { id: string } }>('/sandbox/clients/:id/access-tokens', (request, reply) => {
    if (!tenant.clients.has(request.params.id)) throw new ApiError(404)
    tenant.expireAccessTokens(request.params.id)
    reply.code(204).send()
  })
  app.post('/sandbox/tokens', (request, reply) => {
    const { userId, count, ...options } = readInput(issueSchema, request.body)
    if (!tenant.users.has(userId)) throw new ApiError(404)
    reply.code(201)
    return { tokens: tenant.issueTokens(userId, count, options) }
  })
  app.get<{ Params: { id: string } }>('/sandbox/users/:id/tokens', (request) => {
    if (!tenant.users.has(request.params.id)) throw new ApiError(404)
    return { tokens: tenant.tokensOf(request.params.id) }
  })
  app.post<{ Params: { id: string } }>('/sandbox/users/:id/refresh', (request, reply) => {
    const options = readInput(refreshSchema, request.body ?? {})
    if (!tenant.users.has(request.params.id)) throw new ApiError(404)
    reply.code(201)
    return { tokens: tenant.refreshTokens(request.params.id, options) }
  })
  app.post('/sandbox/faults', (request, reply) => {
    reply.code(201)
    return tenant.order(readInput(faultSchema, request.body)).spec
  })
  app.delete('/sandbox/faults', (_request, reply) => {
    tenant.faults.cancelAll()
    reply.code(204).send()
  })
  app.patch('/sandbox/settings', (request) => {
    Object.assign(tenant.settings, readInput(behaviourSchema.partial(), request.body))
    return behaviourSchema.strip().parse(tenant.settings)
  })
  app.post('/sandbox/deprecations', (request, reply) => {
    reply.code(201)
    return tenant.deprecations.add(readInput(deprecationSchema, request.body))
  })
  app.delete('/sandbox/deprecations', (_request, reply) => {
    tenant.deprecations.clear()
    reply.code(204).send()
  })
  app.get('/sandbox/calls', () => ({ calls: tenant.calls }))
  app.get('/sandbox/state', () => ({ tenantId: tenant.id, users: usersWithCounts(tenant) }))
}

function usersWithCounts(tenant: Tenant): object[] {
  return [...tenant.users.values()].map((user) => ({ ...user, tokens: tenant.tokensOf(user.id).length }))
}

/** The tenant throws if an id is taken. */
function orConflict<Row>(add: () => Row): Row {
  try {
    return add()
  } catch (error) {
    throw new ApiError(409, errorBody(409, { detail: error instanceof Error ? error.message : undefined }))
  }
}
