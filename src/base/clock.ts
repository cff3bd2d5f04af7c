/** The source of time. It is passed in everywhere, so that tests can advance it instead of waiting. */
export interface Clock {
  /** Wall-clock time in ms since the epoch: for times that are stored, shown or compared with other systems' times. */
  now(): number
  /** Time in ms that never jumps: for durations within this process. */
  monotonic(): number
  /** Calls `callback` once after `ms` (0 to about 24 days). The returned function cancels it. */
  after(ms: number, callback: () => void): () => void
}

/** Wall time that never goes back: what is due stays due if the clock is set back. */
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
