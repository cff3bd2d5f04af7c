import type { Socket } from 'node:net'
import type { ConnectionError, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { z } from 'zod'
import { CurfewError, ERRORS, type ErrorCode, invalidMember } from '../base/errors.ts'
import { PRIVATE } from './private-responses.ts'

/** An error as callers receive it: RFC 9457, plus Curfew's code and the action to take. */
export const Problem = z
  .object({
    type: z.literal('about:blank'),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string().describe('One of the codes in docs/errors.md'),
    action: z.string().describe('What to do next'),
    errors: z.array(z.object({ member: z.string(), expected: z.string() })).optional(),
    requestId: z.string().optional(),
  })
  .meta({ id: 'Problem', description: 'An error (RFC 9457)' })
export type Problem = z.infer<typeof Problem>

/** The error answer in the schemas of the routes. */
export const problemAnswer = {
  description: 'An error',
  content: { 'application/problem+json': { schema: Problem } },
}

const MEMBERS_SHOWN = 20

export function toProblem({ code, message, members }: CurfewError): Problem {
  const { status, title, action } = ERRORS[code]
  const shown = members.slice(0, MEMBERS_SHOWN)
  return {
    type: 'about:blank',
    title,
    status: status ?? 500,
    detail: message,
    code,
    action,
    ...(shown.length > 0 ? { errors: shown } : {}),
  }
}

/** Curfew's codes for Fastify's own errors. Their messages are not sent because they may quote the request. */
const CODE_OF_FASTIFY: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'CURFEW_BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'CURFEW_MEDIA_TYPE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'CURFEW_BODY_UNREADABLE',
  FST_ERR_CTP_INVALID_JSON_BODY: 'CURFEW_BODY_UNREADABLE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'CURFEW_BODY_UNREADABLE',
  FST_ERR_NOT_FOUND: 'CURFEW_NOT_FOUND',
}

/** Codes for other errors below 500 of Fastify and its plugins, by status. A forbidden path does not exist for callers. */
const CODE_OF_STATUS: Record<number, ErrorCode> = {
  401: 'CURFEW_UNAUTHENTICATED',
  403: 'CURFEW_NOT_FOUND',
  404: 'CURFEW_NOT_FOUND',
  405: 'CURFEW_NOT_FOUND',
  413: 'CURFEW_BODY_TOO_LARGE',
  415: 'CURFEW_MEDIA_TYPE',
}

/** Converts any thrown value to an error of the table. Only what is not the caller's fault becomes a server error. */
export function toCurfewError(error: unknown): CurfewError {
  if (error instanceof CurfewError) return error
  if (!(error instanceof Error)) return new CurfewError('CURFEW_INTERNAL')
  const { code = '', statusCode = 500 } = error as Partial<FastifyError>
  if (code === 'FST_ERR_BAD_URL') return invalidMember('path', 'expected percent-encoded UTF-8')
  const known = CODE_OF_FASTIFY[code]
  if (known) return new CurfewError(known)
  // Errors of the JSON parser have the status 400 and no code.
  if (statusCode === 400) return new CurfewError('CURFEW_BODY_UNREADABLE')
  if (statusCode > 400 && statusCode < 500)
    return new CurfewError(CODE_OF_STATUS[statusCode] ?? 'CURFEW_REQUEST_INVALID')
  return new CurfewError('CURFEW_INTERNAL', undefined, { cause: error })
}

/** Whether an error is the service's. Anyone can name an unknown key, or exceed a limit. */
export function isFault(code: ErrorCode): boolean {
  if (code === 'CURFEW_KEY_LOOKUP_DEFERRED' || code === 'CURFEW_OVERLOADED') return false
  return (ERRORS[code].status ?? 500) >= 500
}

/** Sends a problem for every error. */
async function problems(app: FastifyInstance) {
  app.setErrorHandler(sendProblem)
  // Thrown, so that the hooks for errors run.
  app.setNotFoundHandler(async () => {
    throw new CurfewError('CURFEW_NOT_FOUND')
  })
}

/** Sends an error as a problem. Also used for errors that occur before Fastify knows the route. */
export function sendProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = toCurfewError(thrown)
  const problem = { ...toProblem(error), requestId: request.id }
  if (isFault(error.code))
    request.log.error({ source: request.sourceName, code: error.code, err: error }, 'a request failed')
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer')
  if (error.retryAfterSeconds !== null) reply.header('retry-after', error.retryAfterSeconds)
  return reply
    .code(problem.status)
    .headers(PRIVATE)
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send(problem)
}

const STATUS_OF_CONNECTION_ERROR: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** Answers on the socket requests that are not valid HTTP, or too slow. */
export function refuseConnection(error: ConnectionError, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  socket.end(closingResponse(STATUS_OF_CONNECTION_ERROR[error.code] ?? '400 Bad Request'))
}

/** The bytes of a response that ends its connection. */
export function closingResponse(statusLine: string, detail?: string): string {
  const problem = {
    ...toProblem(new CurfewError('CURFEW_REQUEST_INVALID', detail)),
    status: Number(statusLine.slice(0, 3)),
  }
  const body = JSON.stringify(problem)
  return (
    `HTTP/1.1 ${statusLine}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
    `Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}

export default fp(problems, { name: 'problems' })
