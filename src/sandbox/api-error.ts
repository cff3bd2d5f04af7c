import { randomBytes } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'

interface ErrorMembers {
  code: string
  title: string
  detail?: string
}

/** An error response of a Qlik Cloud endpoint. */
export class ApiError extends Error {
  readonly status: number
  readonly body: unknown
  readonly headers: Record<string, string>

  constructor(status: number, body: unknown = errorBody(status), headers: Record<string, string> = {}) {
    super(`HTTP ${status}`)
    this.status = status
    this.body = body
    this.headers = headers
  }
}

/**
 * The error body of most endpoints. Error codes other than OAUTH-5 and USERS-7 are not documented.
 *
 * Source: https://qlik.dev/apis/rest/oauth-tokens (`Errors`)
 */
export function errorBody(status: number, members: Partial<ErrorMembers> = {}): object {
  return { errors: [{ ...defaults(status), ...members, status: String(status) }], traceId: traceId() }
}

/** The error body of /users, where `status` is a number. Source: https://qlik.dev/apis/rest/users (`Errors`) */
export function usersErrorBody(status: number, members: Partial<ErrorMembers> = {}): object {
  return { errors: [{ ...defaults(status), ...members, status }], traceId: traceId() }
}

/** Source: https://qlik.dev/apis/rest/rate-limiting */
export function rateLimitBody(seconds: number): object {
  const detail = `You need to wait ${seconds} seconds until limit is lifted.`
  return { errors: [{ code: 'HTTP-429', title: 'API rate limit reached.', detail }] }
}

/** Fastify's error handler: returns every error in Qlik's format. */
export function answerError(
  error: FastifyError | ApiError,
  _request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { status, body, headers } =
    error instanceof ApiError
      ? error
      : new ApiError(error.statusCode ?? 500, errorBody(error.statusCode ?? 500, { detail: error.message }))
  reply.code(status).headers(headers).send(body)
}

function defaults(status: number): ErrorMembers {
  if (status === 401) return { code: 'OAUTH-5', title: 'Unauthorized' }
  return { code: `HTTP-${status}`, title: STATUS_CODES[status] ?? 'Error' }
}

function traceId(): string {
  return randomBytes(16).toString('hex')
}
