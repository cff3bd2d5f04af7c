import { httpDateMs } from './http-date.ts'

/**
 * The wait that a `Retry-After` header requests, in ms; null if it is missing or invalid.
 * It contains whole seconds or an HTTP date (RFC 9110, section 10.2.3).
 * @param now the server's clock, in ms since the epoch, because a date refers to that clock. If it is not known
 *   exactly, pass the earliest possible value, so that the wait is never too short.
 */
export function retryAfterMs(header: string | undefined, now: number): number | null {
  const text = header?.trim() ?? ''
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER)
  const at = httpDateMs(text, now)
  return at === null ? null : Math.max(0, at - now)
}
