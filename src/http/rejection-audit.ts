import { ERRORS, type ErrorCode } from '../base/errors.ts'
import { rejectionEvent } from '../revocation/audit/events.ts'
import type { Recorder } from '../revocation/audit/recorder.ts'
import type { Rejection } from './rejections.ts'

/** Whether the sender can prevent the error: it is neither an error of Curfew nor a repetition. */
export function isRefusal(code: ErrorCode): boolean {
  return (ERRORS[code].status ?? 500) < 500 && code !== 'CURFEW_TOKEN_REPLAYED'
}

/**
 * Returns a function that records rejections in the audit trail, if the sender is authenticated: others can send any number of
 * requests. Errors of Curfew and repetitions are not rejections.
 */
export function createRejectionAudit({ note }: Pick<Recorder, 'note'>): (rejection: Rejection) => void {
  return ({ code, route, origin }) => {
    if (origin && isRefusal(code)) note(rejectionEvent({ code, route }, origin))
  }
}
