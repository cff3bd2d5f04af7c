import { ApiError, rateLimitBody } from './api-error.ts'
import { httpDate } from './http-date.ts'

/** Forms of `Retry-After` (RFC 9110 section 10.2.3); `missing` is none. */
export const RETRY_AFTER_FORMS = ['seconds', 'date', 'missing'] as const
export type RetryAfterForm = (typeof RETRY_AFTER_FORMS)[number]

/**
 * The answer to a call over a limit.
 *
 * @param seconds whole seconds until the limit is lifted
 * @param now the tenant's time (Unix ms); a date is rounded up to a whole second
 */
export function rateLimitError(seconds: number, form: RetryAfterForm, now: number): ApiError {
  const forms = {
    seconds: { 'retry-after': String(seconds) },
    date: { 'retry-after': httpDate(Math.ceil(now / 1000 + seconds) * 1000) },
    missing: {},
  }
  return new ApiError(429, rateLimitBody(seconds), forms[form])
}
