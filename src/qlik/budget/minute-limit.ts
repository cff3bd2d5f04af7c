import type { RecentCounts } from './recent-calls.ts'

// Qlik states its limits per minute, 100 and 1,000, and says that they are evaluated over five minutes
// (https://qlik.dev/apis/rest/rate-limiting): 500 calls may be made at once. If a tenant evaluates each minute instead, a
// client that makes 500 calls at once is refused after 100.

/** Minutes in Qlik's window. With a window configured for tests, a minute is a fifth of it. */
export const MINUTES = 5

/** With a lower limit for each minute, a few calls at once would fit by coincidence. */
const LEAST_PER_MINUTE = 10

/** A 429, and what is known about the calls before it. */
export interface EarlyRefusal extends RecentCounts {
  /** How long Qlik asked to wait, in ms; null if unspecified. */
  askedMs: number | null
}

export interface WindowLimit {
  /** Configured calls per window of one client. */
  limit: number
  windowMs: number
}

export function perMinute({ limit, windowMs }: WindowLimit): WindowLimit {
  return { limit: Math.max(1, Math.floor(limit / MINUTES)), windowMs: windowMs / MINUTES }
}

/**
 * Whether all evidence fits a limit for each minute, if Qlik refused a call although the window had room: more calls
 * than a minute allows had started in the last minute, Qlik asked to wait a minute at most, and it has never accepted
 * more in a minute. If more than twice as many had started, Qlik must have accepted some of them. A tenant's limit or
 * another program refuses calls at other counts, unless by coincidence. Pure.
 */
export function fitsMinute({ started, mostAccepted, askedMs }: EarlyRefusal, window: WindowLimit): boolean {
  const minute = perMinute(window)
  if (minute.limit < LEAST_PER_MINUTE || askedMs === null || askedMs > minute.windowMs) return false
  return started > minute.limit && started <= 2 * minute.limit && mostAccepted <= minute.limit
}
