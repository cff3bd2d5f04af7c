import type { TokenBucket } from './token-bucket.ts'

/** For what probes and monitoring ask: five times a second, after a burst. */
export const MONITORING_RATE = { capacity: 20, perSecond: 5 }

/**
 * Bounds the cost of work that anyone can request: callers share the work in progress and, once `rate` is used up, the latest
 * result. Failures are not kept.
 */
export function sharedWork<T>(work: () => Promise<T>, rate: TokenBucket): () => Promise<T> {
  let current: Promise<T> | null = null
  let isRunning = false
  return () => {
    if (current && (isRunning || !rate.hasRoom())) return current
    rate.spend(1)
    isRunning = true
    const started = work()
    current = started
    started.then(
      () => {
        isRunning = false
      },
      () => {
        isRunning = false
        current = null
      },
    )
    return started
  }
}
