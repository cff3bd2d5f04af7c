/** A time in ISO 8601; null stays null. @param ms since the epoch */
export function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
