/** Where time comes from. Passed in everywhere, so that a test moves it instead of waiting. */
export interface Clock {
  /** Wall-clock time in ms since the epoch: for times that are stored, shown or compared with others' times. */
  now(): number
  /** A time in ms that never jumps: for durations within this process. */
  monotonic(): number
  /** Calls `callback` once after `ms` (at least 0, at most about 24 days); the answer cancels it. */
  after(ms: number, callback: () => void): () => void
}

/**
 * A clock's wall time, except that it never goes back: what was due once stays due when somebody sets the clock.
 */
export function steadyNow(clock: Clock): () => number {
  let wall = clock.now()
  let monotonic = clock.monotonic()
  return () => {
    const elapsed = clock.monotonic() - monotonic
    monotonic += elapsed
    wall = Math.max(clock.now(), wall + elapsed)
    return Math.floor(wall)
  }
}

const LONGEST_TIMER_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, ms), LONGEST_TIMER_MS))
    return () => clearTimeout(timer)
  },
}
