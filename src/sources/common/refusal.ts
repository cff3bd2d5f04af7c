import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../../base/errors.ts'
import { toCurfewError } from '../../http/problems.ts'
import { SetRefused } from '../token/set-error.ts'
import { TokenError, type TokenFault } from '../token/verify-token.ts'
import { typeOf } from './route.ts'
import { SubjectError } from './subject-identifier.ts'

/** Why a request of an identity provider is refused, for a protocol that has a form of its own for that. */
export interface Refusal {
  status: number
  /** Whose fault it is, as OAuth calls it. */
  error: 'invalid_request' | 'temporarily_unavailable' | 'server_error'
  /** For people; repeats nothing of the request, in the characters of RFC 6749, section 5.2. */
  description: string
  /** What is wrong with the token, where that is the reason. */
  fault: TokenFault | null
  /** What else is wrong; null where it is the token, the subject or the stream. */
  code: ErrorCode | null
}

/** Errors in the form of OAuth's (RFC 6749, section 5.2). */
const OAuthError = z.object({ error: z.string(), error_description: z.string() })

/** For the documentation of a route that answers so. */
export function oauthError(description: string) {
  return { description, content: { 'application/json': { schema: OAuthError } } }
}

/** Looks at whatever was thrown, logs it, and sets the headers that it asks for. */
export function refusalOf(thrown: unknown, request: FastifyRequest, reply: FastifyReply): Refusal {
  const { status, fault = null, code = null, text } = judge(thrown, request)
  const description = text.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'")
  const seen = { source: request.sourceName, code, fault }
  reply.header('cache-control', 'no-store')
  if (status >= 500) request.log.error({ ...seen, err: thrown }, 'a request of a source could not be taken')
  else request.log.debug({ ...seen, description }, 'a request of a source was refused')
  if (status === 503) reply.header('retry-after', toCurfewError(thrown).retryAfterSeconds ?? 5)
  return { status, error: errorOf(status), description, fault, code }
}

function errorOf(status: number): Refusal['error'] {
  if (status === 503) return 'temporarily_unavailable'
  return status >= 500 ? 'server_error' : 'invalid_request'
}

function judge(
  thrown: unknown,
  request: FastifyRequest,
): { status: number; fault?: TokenFault; code?: ErrorCode; text: string } {
  if (thrown instanceof TokenError) return { status: 400, fault: thrown.fault, text: thrown.message }
  if (thrown instanceof SubjectError || thrown instanceof SetRefused)
    return { status: 400, text: thrown.message }
  const { code, message } = toCurfewError(thrown)
  // None of the protocols has a status of its own for that.
  if (code === 'CURFEW_MEDIA_TYPE')
    return { status: 400, code, text: `Expected one Content-Type, ${typeOf(request)}.` }
  return { status: ERRORS[code].status ?? 500, code, text: message }
}
