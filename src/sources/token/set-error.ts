import { z } from 'zod'
import { CurfewError, ERRORS, type ErrorCode } from '../../base/errors.ts'

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
type SetErrorCode = z.infer<typeof SetErrorCode>

/** Why a security event token is rejected: sent in the answer to a push, or with the next poll. */
export const SetError = z.object({
  err: SetErrorCode,
  description: z.string().describe('For people; contains nothing from the token'),
})
export type SetError = z.infer<typeof SetError>

/** All other codes map to `invalid_request`. */
const SET_CODES: Partial<Record<ErrorCode, SetErrorCode>> = {
  CURFEW_TOKEN_KEY_UNKNOWN: 'invalid_key',
  CURFEW_TOKEN_SIGNATURE_INVALID: 'invalid_key',
  CURFEW_TOKEN_ISSUER_WRONG: 'invalid_issuer',
  CURFEW_TOKEN_AUDIENCE_WRONG: 'invalid_audience',
  CURFEW_UNAUTHENTICATED: 'authentication_failed',
  CURFEW_STREAM_UNAUTHENTICATED: 'authentication_failed',
  CURFEW_STREAM_STATE_UNKNOWN: 'invalid_state',
  CURFEW_UNKNOWN_TENANT: 'access_denied',
}

/** What to report to the transmitter, or null if the token may be valid and the transmitter must send it again. */
export function setErrorOf(error: unknown): SetError | null {
  if (!(error instanceof CurfewError) || (ERRORS[error.code].status ?? 500) >= 500) return null
  return { err: SET_CODES[error.code] ?? 'invalid_request', description: error.message }
}
