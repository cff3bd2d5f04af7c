import type { Clock } from './clock.ts'

/** Waits for `ms`, or until the signal aborts; never rejects. */
export function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(ms, end)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
  })
}

/**
 * Does one part of a long work, then waits `factor` times as long as the part took. So the parts take at most
 * 1 / (1 + factor) of the time, however slow the machine is.
 */
export async function paced<T>(
  factor: number,
  part: () => Promise<T>,
  clock: Clock,
  signal: AbortSignal,
): Promise<T> {
  const startedAt = clock.monotonic()
  const result = await part()
  await pause(factor * (clock.monotonic() - startedAt), clock, signal)
  return result
}
