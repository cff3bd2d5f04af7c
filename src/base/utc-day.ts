export const DAY_MS = 24 * 60 * 60_000

/** The day in UTC, as YYYY-MM-DD. @param ms since the epoch */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
