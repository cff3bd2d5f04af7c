const FIRST_BACKOFF_MS = 1_000
const LONGEST_BACKOFF_MS = 5 * 60_000
/**
 * The longest wait between two attempts, in ms. A Retry-After with a server error is a guess; a wrong one must not keep
 * tokens alive for a day.
 */
export const LONGEST_WAIT_MS = 60 * 60_000

/**
 * How long to wait before the next attempt, in ms: a random part of 1 s, 2 s, 4 s … at most 5 min (full jitter,
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), or as long as was asked for where that is
 * longer, an hour at most.
 * @param failures how many there were in a row; at least 1
 * @param random a number from 0 up to 1
 * @param askedMs what the other side asked to wait
 */
export function backoffMs(failures: number, random: number, askedMs = 0): number {
  const backoff = random * Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), LONGEST_BACKOFF_MS)
  return Math.max(backoff, Math.min(askedMs, LONGEST_WAIT_MS))
}
