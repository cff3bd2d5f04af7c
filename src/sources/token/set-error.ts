import { z } from 'zod'
import { CurfewError, ERRORS } from '../../base/errors.ts'
import { SubjectError } from '../common/subject-identifier.ts'
import { TokenError, type TokenFault } from './verify-token.ts'

/** Codes of RFC 8935, section 2.4, and of the Shared Signals Framework 1.0, section 8.1.4.1. */
const SetErrorCode = z.enum([
  'invalid_request',
  'invalid_key',
  'invalid_issuer',
  'invalid_audience',
  'authentication_failed',
  'access_denied',
  'invalid_state',
])
export type SetErrorCode = z.infer<typeof SetErrorCode>

/** Why a security event token is refused: the same in the answer to a push and in the next poll. */
export const SetError = z.object({
  err: SetErrorCode,
  description: z.string().describe('For people; repeats nothing of the token'),
})
export type SetError = z.infer<typeof SetError>

/** Why a token is refused that is proven: it does not fit the stream, or did not come as was agreed. */
export class SetRefused extends Error {
  readonly err: SetErrorCode

  constructor(err: SetErrorCode, message: string) {
    super(message)
    this.err = err
  }
}

const CODE_OF: Record<TokenFault, SetErrorCode> = {
  malformed: 'invalid_request',
  key: 'invalid_key',
  signature: 'invalid_key',
  issuer: 'invalid_issuer',
  audience: 'invalid_audience',
  time: 'invalid_request',
  claims: 'invalid_request',
}

/** What to tell the transmitter; null where the token may be good, and is to be sent again. */
export function setErrorOf(error: unknown): SetError | null {
  if (error instanceof TokenError) return { err: CODE_OF[error.fault], description: error.message }
  if (error instanceof SubjectError) return { err: 'invalid_request', description: error.message }
  if (error instanceof SetRefused) return { err: error.err, description: error.message }
  if (!(error instanceof CurfewError) || (ERRORS[error.code].status ?? 500) >= 500) return null
  const err = error.code === 'CURFEW_UNKNOWN_TENANT' ? 'access_denied' : 'invalid_request'
  return { err, description: error.message }
}
