import { ERRORS } from '../base/errors.ts'
import { rejectionEvent } from '../revocation/audit/events.ts'
import type { Recorder } from '../revocation/audit/recorder.ts'
import type { Rejection } from './rejections.ts'

/**
 * Returns a function that records rejections in the audit trail, if the sender is authenticated: others can send any number of
 * requests. Errors of Curfew and repetitions are not rejections.
 */
export function createRejectionAudit({ note }: Pick<Recorder, 'note'>): (rejection: Rejection) => void {
  return ({ code, route, origin }) => {
    const status = ERRORS[code].status ?? 500
    const isRejection = status < 500 && code !== 'CURFEW_TOKEN_REPLAYED'
    if (origin && isRejection) note(rejectionEvent({ code, route }, origin))
  }
}
