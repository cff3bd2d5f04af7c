import type { FastifyRequest } from 'fastify'
import { ApiError } from './api-error.ts'
import type { Tenant } from './tenant.ts'
import type { SandboxToken } from './token-shelf.ts'

/** The call's bearer token. Throws an `ApiError` 401 if it is missing, unknown, expired or revoked. */
export function authenticate(tenant: Tenant, request: FastifyRequest): SandboxToken {
  const secret = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const token = secret === undefined ? null : tenant.tokens.authenticate(secret)
  if (token === null) throw new ApiError(401)
  return token
}
