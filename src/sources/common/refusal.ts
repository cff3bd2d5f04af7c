import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../../base/errors.ts'
import { isFault, toCurfewError } from '../../http/problems.ts'
import { typeOf } from './route.ts'

/** Why a request of an identity provider is rejected, for protocols with their own error format. */
export interface Refusal {
  code: ErrorCode
  status: number
  /** The OAuth error code for this class of status. */
  error: 'invalid_request' | 'temporarily_unavailable' | 'server_error'
  /** For people. Repeats nothing from the request, and contains only the characters of RFC 6749, section 5.2. */
  description: string
}

/** An error of OAuth (RFC 6749, section 5.2). */
const OAuthError = z.object({ error: z.string(), error_description: z.string() })

/** The OpenAPI description of an answer with this error. */
export function oauthError(description: string) {
  return { description, content: { 'application/json': { schema: OAuthError } } }
}

/** Classifies a thrown value, logs it if it is the service's fault, and sets the headers of the error answer. */
export function refusalOf(thrown: unknown, request: FastifyRequest, reply: FastifyReply): Refusal {
  const { code, message, retryAfterSeconds } = toCurfewError(thrown)
  const isMediaType = code === 'CURFEW_MEDIA_TYPE'
  // None of the protocols defines 415.
  const status = isMediaType ? 400 : (ERRORS[code].status ?? 500)
  const text = isMediaType ? `Expected one Content-Type, ${typeOf(request)}.` : message
  const description = text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'")
  reply.header('cache-control', 'no-store')
  if (isFault(code))
    request.log.error({ source: request.sourceName, code, err: thrown }, 'a request of a source failed')
  if (status === 503 || status === 429) reply.header('retry-after', retryAfterSeconds ?? 5)
  return { code, status, error: errorOf(status), description }
}

function errorOf(status: number): Refusal['error'] {
  if (status === 503) return 'temporarily_unavailable'
  return status >= 500 ? 'server_error' : 'invalid_request'
}
