import type { FastifyReply, FastifyRequest } from 'fastify'
import { CurfewError } from '../base/errors.ts'
import type { Role } from '../base/role.ts'
import { type PageOptions, PREFIX, page } from './layout.ts'

export const SESSION_COOKIE = 'curfew-session'
export const SIGN_IN = `${PREFIX}/sign-in`

/** Options of every route of the dashboard. */
export const ROUTE = { schema: { hide: true }, config: { isForOperators: true } }

/** Attributes of all cookies. They are sent only over https if they were set over it. */
export function cookieFor({ protocol }: FastifyRequest) {
  return { path: PREFIX, httpOnly: true, sameSite: 'strict', secure: protocol === 'https' } as const
}

/** What the token of a form belongs to; never empty, because the plugin refuses that. */
export function sessionOf({ cookies }: FastifyRequest): string {
  return cookies[SESSION_COOKIE] || 'none'
}

/**
 * A token for the forms of a page. Its cookie alone is not sufficient, because other hosts of the same site can set one: the
 * token also belongs to the session, which they do not know.
 */
export function csrfFor(reply: FastifyReply): string {
  return reply.generateCsrf({ ...cookieFor(reply.request), userInfo: sessionOf(reply.request) })
}

export function sendPage(reply: FastifyReply, options: PageOptions): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(page(options))
}

export function roleRequired(role: Role): CurfewError {
  return new CurfewError('CURFEW_ROLE_REQUIRED', `This page requires the role "${role}".`)
}
