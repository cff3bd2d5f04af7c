const FIRST_BACKOFF_MS = 1_000
const LONGEST_BACKOFF_MS = 5 * 60_000
/**
 * The longest wait between two attempts, in ms. The Retry-After of a server error is a guess; a wrong one must not keep
 * tokens alive for a day.
 */
export const LONGEST_WAIT_MS = 60 * 60_000

/**
 * How long to wait before the next attempt, in ms: a random fraction of 1 s, 2 s, 4 s … up to 5 min (full jitter,
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), or the requested wait if that is longer,
 * up to one hour.
 * @param failures consecutive failures, at least 1
 * @param random a number from 0 to 1
 * @param askedMs the wait that the server requested
 */
export function backoffMs(failures: number, random: number, askedMs = 0): number {
  const backoff = random * Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), LONGEST_BACKOFF_MS)
  return Math.max(backoff, Math.min(askedMs, LONGEST_WAIT_MS))
}
