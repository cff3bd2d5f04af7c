/** Numbers from here on are milliseconds: in seconds they would be the year 5138 or later. */
const MIN_MS = 1e11
/** The earliest plausible time (2001). A smaller number has another unit; as seconds, it would keep every token. */
const MIN_S = 1e9

/** Requires seconds, to distinguish two logouts, and an offset, without which the time zone is unknown. */
const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i

/** Converts ISO 8601, seconds or milliseconds to ms since the epoch; null for anything else. */
export function instantOf(value: unknown): number | null {
  if (typeof value === 'string' && ISO_8601.test(value)) return orNull(Date.parse(value))
  const number = typeof value === 'string' && /^\d{10,13}$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || number < MIN_S) return null
  return orNull(Math.floor(number >= MIN_MS ? number : number * 1000))
}

function orNull(milliseconds: number): number | null {
  return milliseconds >= MIN_S * 1000 && Number.isSafeInteger(milliseconds) ? milliseconds : null
}
