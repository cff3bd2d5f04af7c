import { NOTIFICATION_ERRORS } from './error-table/notifications.ts'
import { PROCESS_ERRORS } from './error-table/process.ts'
import { QLIK_CLOUD_ERRORS } from './error-table/qlik-cloud.ts'
import { REQUEST_ERRORS } from './error-table/requests.ts'
import { REVOCATION_ERRORS } from './error-table/revocations.ts'
import { SOURCE_ERRORS } from './error-table/sources.ts'

/**
 * All error codes of Curfew, in the sections of `docs/errors.md`, which lists the same codes (a test keeps both equal). The
 * code of a removed error is never reused.
 */
export const ERRORS = {
  ...REQUEST_ERRORS,
  ...SOURCE_ERRORS,
  ...QLIK_CLOUD_ERRORS,
  ...REVOCATION_ERRORS,
  ...NOTIFICATION_ERRORS,
  ...PROCESS_ERRORS,
} as const

export type ErrorCode = keyof typeof ERRORS
