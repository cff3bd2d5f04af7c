/** The earliest time that can only be in milliseconds: in seconds it would be the year 5138. */
const LEAST_MS = 1e11
/** The earliest time that is one: what is before is in another unit, and would keep every token. */
const LEAST_S = 1e9

/** With seconds, by which two logouts are told apart, and its offset: without one it could be anybody's time. */
const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i

/** ms since the epoch, of ISO 8601, or of seconds or milliseconds; null for whatever else: then it was just now. */
export function instantOf(value: unknown): number | null {
  if (typeof value === 'string' && ISO_8601.test(value)) return orNull(Date.parse(value))
  const number = typeof value === 'string' && /^\d{10,13}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || number < LEAST_S) return null
  return orNull(Math.floor(number >= LEAST_MS ? number : number * 1000))
}

function orNull(milliseconds: number): number | null {
  return milliseconds >= LEAST_S * 1000 && Number.isSafeInteger(milliseconds) ? milliseconds : null
}
