import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { ApiError, usersErrorBody } from './api-error.ts'
import { authenticate } from './bearer.ts'
import type { Gate } from './gate.ts'
import { readInput } from './input.ts'
import { linkTo } from './links.ts'
import { parseFilter } from './scim-filter.ts'
import type { SandboxUser, Tenant } from './tenant.ts'
import { SORTS, userPageOf } from './user-pages.ts'

const PATH = '/api/v1/users'

const usersSchema = z
  .object({
    filter: z.string().optional(),
    limit: z.coerce.number().int().min(1).max(100).default(20),
    next: z.string().optional(),
    prev: z.string().optional(),
    sort: z.enum(SORTS).optional(),
    fields: z.string().optional(),
    totalResults: z.stringbool().default(false),
  })
  .refine(({ next, prev }) => next === undefined || prev === undefined, 'expected next or prev, not both')

/**
 * Finds and counts users.
 *
 * Source: https://qlik.dev/apis/rest/users
 */
export function userRoutes(app: FastifyInstance, tenant: Tenant, gate: Gate): void {
  app.get(`${PATH}/me`, gate('me', 1), (request, reply) => {
    const origin = tenant.settings.absoluteRedirect ? `http://${request.host}` : ''
    return reply.redirect(`${origin}${PATH}/${authenticate(tenant, request).userId}`, 301)
  })

  app.get<{ Params: { id: string } }>(`${PATH}/:id`, gate('user', 1), (request) => {
    const user = userWith(tenant, request.params.id)
    if (user === undefined || !visibleTo(tenant, request)(user))
      throw new ApiError(404, usersErrorBody(404, { code: 'USERS-7', title: 'Not found' }))
    return rowOf(tenant, user)
  })

  app.get(PATH, gate('users', 1), (request) => {
    const { filter, fields, totalResults, ...asked } = readInput(usersSchema, request.query, usersErrorBody)
    const matches = filter === undefined ? () => true : parseFilter(filter, tenant.settings.nameFolding)
    if (matches === null) throw new ApiError(400, usersErrorBody(400, { detail: 'filter is invalid' }))
    const found = [...tenant.users.values()].filter(visibleTo(tenant, request)).filter(matches)
    const page = userPageOf(found, asked)
    if (page === null) throw new ApiError(400, usersErrorBody(400, { detail: 'next or prev is invalid' }))
    const link = (next?: string, prev?: string) => linkTo(tenant, request, { next, prev })
    return {
      data: page.users.map((user) => pick(rowOf(tenant, user), fields)),
      links: {
        self: linkTo(tenant, request),
        ...(page.next && { next: link(page.next) }),
        ...(page.prev && { prev: link(undefined, page.prev) }),
      },
      ...(totalResults && { totalResults: found.length }),
    }
  })

  app.get(`${PATH}/actions/count`, gate('count', 1), (request) => {
    return { total: [...tenant.users.values()].filter(visibleTo(tenant, request)).length }
  })
}

/** Whether the caller sees a user. */
function visibleTo(tenant: Tenant, request: FastifyRequest): (user: SandboxUser) => boolean {
  const caller = authenticate(tenant, request)
  const seesAll = !tenant.settings.hidesUsers || tenant.isAdmin(caller)
  return ({ id }) => seesAll || id === caller.userId
}

function userWith(tenant: Tenant, id: string): SandboxUser | undefined {
  const exact = tenant.users.get(id)
  if (exact !== undefined || !tenant.settings.anyCaseUserIds) return exact
  return [...tenant.users.values()].find((user) => user.id.toLowerCase() === id.toLowerCase())
}

/** The members that `fields` lists, separated by commas; all without it. */
function pick(row: object, fields: string | undefined): object {
  if (fields === undefined) return row
  const names = fields.split(',').map((name) => name.trim())
  return Object.fromEntries(Object.entries(row).filter(([name]) => names.includes(name)))
}

/** `rolesReported` can omit or replace the roles: it is unknown whether Qlik returns those of a bot user. */
function rowOf(tenant: Tenant, user: SandboxUser): object {
  const roles = typeof user.rolesReported === 'boolean' ? user.roles : user.rolesReported
  return {
    id: user.id,
    tenantId: tenant.id,
    ...(user.clientId !== null && { clientId: user.clientId }),
    subject: user.subject,
    ...(user.email !== null && { email: user.email }),
    name: user.name,
    status: user.status,
    createdAt: new Date(user.createdAt).toISOString(),
    ...(user.rolesReported !== false && { roles, assignedRoles: roles.map(assignedRole) }),
  }
}

function assignedRole(name: string): object {
  return { id: name, name, type: 'default', level: name.endsWith('Admin') ? 'admin' : 'user' }
}
