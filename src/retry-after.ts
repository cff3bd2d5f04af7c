/**
 * How long a `Retry-After` header asks to wait, in ms; null where it is missing or nonsense.
 * It holds whole seconds or an HTTP date (RFC 9110, section 10.2.3).
 * @param now the sender's clock, ms since the epoch: a date is read by the clock that wrote it
 */
export function retryAfterMs(header: string | undefined, now: number): number | null {
  const text = header?.trim() ?? ''
  if (/^\d{1,15}$/.test(text)) return Number(text) * 1000
  // An HTTP date begins with the name of a day; Date.parse alone would take "-1" or "2" for dates.
  if (!/^[A-Za-z]{3,9},? /.test(text)) return null
  const at = Date.parse(text)
  return Number.isNaN(at) ? null : Math.max(0, at - now)
}
