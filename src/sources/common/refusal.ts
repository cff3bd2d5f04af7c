import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../../base/errors.ts'
import { toCurfewError } from '../../http/problems.ts'
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

/** Classifies and logs a thrown value, and sets the headers of the error answer. */
export function refusalOf(thrown: unknown, request: FastifyRequest, reply: FastifyReply): Refusal {
  const { code, message, retryAfterSeconds } = toCurfewError(thrown)
  const isMediaType = code === 'CURFEW_MEDIA_TYPE'
  // None of the protocols defines 415.
  const status = isMediaType ? 400 : (ERRORS[code].status ?? 500)
  const text = isMediaType ? `Expected one Content-Type, ${typeOf(request)}.` : message
  const description = text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'")
  const seen = { source: request.sourceName, code }
  reply.header('cache-control', 'no-store')
  // Anybody can name an unknown key, and the limit that rejects a request logs and counts it: no faults of the service.
  const isFault = status >= 500 && code !== 'CURFEW_KEY_LOOKUP_DEFERRED' && code !== 'CURFEW_OVERLOADED'
  if (isFault) request.log.error({ ...seen, err: thrown }, 'a request of a source failed')
  else request.log.debug({ ...seen, description }, 'a request of a source was rejected')
  if (status === 503 || status === 429) reply.header('retry-after', retryAfterSeconds ?? 5)
  return { code, status, error: errorOf(status), description }
}

function errorOf(status: number): Refusal['error'] {
  if (status === 503) return 'temporarily_unavailable'
  return status >= 500 ? 'server_error' : 'invalid_request'
}
