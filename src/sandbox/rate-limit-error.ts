import { ApiError, rateLimitBody } from './api-error.ts'
import { httpDate } from './http-date.ts'

/** Formats of `Retry-After` (RFC 9110 section 10.2.3); `missing` omits the header. */
export const RETRY_AFTER_FORMS = ['seconds', 'date', 'missing'] as const
export type RetryAfterForm = (typeof RETRY_AFTER_FORMS)[number]

/**
 * The response to a call over the limit.
 *
 * @param seconds whole seconds until the limit is lifted
 * @param now the tenant's time, in ms since the epoch; a date is rounded up to a whole second
 */
export function rateLimitError(seconds: number, form: RetryAfterForm, now: number): ApiError {
  const forms = {
    seconds: { 'retry-after': String(seconds) },
    date: { 'retry-after': httpDate(Math.ceil(now / 1000 + seconds) * 1000) },
    missing: {},
  }
  return new ApiError(429, rateLimitBody(seconds), forms[form])
}
