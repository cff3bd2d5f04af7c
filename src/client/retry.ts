import { setTimeout as pause } from 'node:timers/promises'

const FIRST_WAIT_MS = 250

export interface RetryLimits {
  attempts: number
  attemptTimeoutMs: number
  totalTimeoutMs: number
}

/** The result of one attempt. */
export interface Attempt<T> {
  result: T
  /** Whether another attempt may succeed. */
  isTemporary: boolean
  /** Minimum wait, as the server asks. */
  retryAfterMs: number
}

/** Repeats an attempt while its failure is temporary. @returns the last result and the number of attempts */
export async function withRetries<T>(
  { attempts, attemptTimeoutMs, totalTimeoutMs }: RetryLimits,
  attempt: (timeoutMs: number) => Promise<Attempt<T>>,
): Promise<{ result: T; attempts: number }> {
  const deadline = performance.now() + totalTimeoutMs
  for (let count = 1; ; count += 1) {
    const timeoutMs = Math.max(0, Math.ceil(Math.min(attemptTimeoutMs, deadline - performance.now())))
    const { result, isTemporary, retryAfterMs } = await attempt(timeoutMs)
    const waitMs = Math.max(backoffMs(count, Math.random()), retryAfterMs)
    if (!isTemporary || count >= attempts || performance.now() + waitMs >= deadline)
      return { result, attempts: count }
    await pause(waitMs)
  }
}

/** Half of the backoff plus a random part of the other half. @param random from 0 up to 1 */
function backoffMs(attempt: number, random: number): number {
  return FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + random / 2)
}

/** @param header seconds, or a date (RFC 9110, section 10.2.3) */
export function retryAfterMs(header: string | null): number {
  if (header === null) return 0
  const seconds = Number(header)
  return (Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000) || 0
}
