import { httpDateMs } from './http-date.ts'

/**
 * How long a `Retry-After` header asks to wait, in ms; null where it is missing or nonsense.
 * It holds whole seconds or an HTTP date (RFC 9110, section 10.2.3).
 * @param now the sender's clock, ms since the epoch: a date is read by the clock that wrote it. Where that is not known
 *   exactly, the earliest that it may show, so that nobody comes back too early.
 */
export function retryAfterMs(header: string | undefined, now: number): number | null {
  const text = header?.trim() ?? ''
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER)
  const at = httpDateMs(text, now)
  return at === null ? null : Math.max(0, at - now)
}
