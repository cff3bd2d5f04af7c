import type { FastifyReply, FastifyRequest } from 'fastify'
import { ERRORS, type ErrorCode } from '../errors.ts'
import { SubjectError } from '../sources/subject-identifier.ts'
import { TokenError, type TokenFault } from '../sources/verify-token.ts'
import { toCurfewError } from './problems.ts'

/** Why a request of an identity provider is refused, for a protocol that has a form of its own for that. */
export interface Refusal {
  status: number
  /** For people; repeats nothing of the request. */
  description: string
  /** What is wrong with the token, where that is the reason. */
  fault: TokenFault | null
  /** What else is wrong; null where it is the token or the subject. */
  code: ErrorCode | null
}

/** Looks at whatever was thrown, logs it as usual, and sets the headers that it asks for. */
export function refusalOf(thrown: unknown, request: FastifyRequest, reply: FastifyReply): Refusal {
  const refusal = judge(thrown)
  const { status, fault, code } = refusal
  reply.header('cache-control', 'no-store')
  if (status >= 500) request.log.error({ err: thrown, code, fault }, 'a request failed')
  else request.log.debug({ code, fault }, 'a request was refused')
  const retryAfter = status === 503 ? (toCurfewError(thrown).retryAfterSeconds ?? 5) : null
  if (retryAfter !== null) reply.header('retry-after', retryAfter)
  return refusal
}

function judge(thrown: unknown): Refusal {
  if (thrown instanceof TokenError) {
    const { fault, message } = thrown
    return { status: fault === 'unavailable' ? 503 : 400, description: message, fault, code: null }
  }
  if (thrown instanceof SubjectError)
    return { status: 400, description: thrown.message, fault: null, code: null }
  const { code, message } = toCurfewError(thrown)
  return { status: ERRORS[code].status ?? 500, description: message, fault: null, code }
}
