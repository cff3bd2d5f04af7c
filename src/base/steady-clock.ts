import { randomUUID } from 'node:crypto'
import type { Clock } from './clock.ts'

/**
 * How far wall clock and monotonic clock may diverge before readings of the monotonic clock from before and after count
 * as those of two clocks. Less is NTP at work, or a process that was not scheduled between two readings.
 */
export const LARGEST_DIVERGENCE_MS = 1_000

/** How far the wall clock is ahead of the monotonic clock, in ms. It changes when the wall clock is set or the machine sleeps. */
export function wallLead(clock: Clock): number {
  return clock.now() - clock.monotonic()
}

/** The time base of one process: offsets to other clocks are measured against it, as nobody can set it. */
export interface SteadyClock {
  /** ms since some moment before the process began: `Clock.monotonic`. Never steps, whatever happens to the wall clock. */
  now(): number
  /**
   * Which clock `now` reads: random for each process. Readings under one id can be compared. A monotonic clock stands
   * still while the machine sleeps, so there is a new id after wall clock and monotonic clock have diverged.
   */
  id(): string
}

/** All steady clocks of one process read the same time, each under ids of its own. */
export function steadyClock(clock: Clock): SteadyClock {
  let id = randomUUID()
  let lead = wallLead(clock)
  return {
    now: () => clock.monotonic(),
    id() {
      const current = wallLead(clock)
      if (Math.abs(current - lead) > LARGEST_DIVERGENCE_MS) {
        id = randomUUID()
        lead = current
      }
      return id
    },
  }
}
