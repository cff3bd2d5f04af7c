const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

/** The waits after the first, second, … failed attempt, as Standard Webhooks recommends. The last one repeats. */
const WAITS_MS = [
  5 * SECOND_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
] as const
const LONGEST_WAIT_MS = WAITS_MS[7]

/** By how much a wait is longer or shorter, so that retries after an outage are spread. */
const JITTER = 0.2

/**
 * When a notification is sent again after a failed attempt; null if it is given up. The last attempt is at the end of
 * its time. Pure.
 * @param attempts attempts so far, at least 1
 * @param random a number from 0 up to 1
 * @param askedMs the wait that the receiver requested with Retry-After, respected up to the longest wait
 * @param giveUpAt ms since the epoch, like `now`
 */
export function nextAttemptAt({
  attempts,
  random,
  askedMs,
  giveUpAt,
  now,
}: {
  attempts: number
  random: number
  askedMs: number
  giveUpAt: number
  now: number
}): number | null {
  if (now >= giveUpAt) return null
  const wait = WAITS_MS[attempts - 1] ?? LONGEST_WAIT_MS
  const jittered = wait * (1 - JITTER + 2 * JITTER * random)
  const asked = Math.min(askedMs, LONGEST_WAIT_MS)
  return Math.min(Math.round(now + Math.max(jittered, asked)), giveUpAt)
}
