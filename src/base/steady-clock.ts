import { randomUUID } from 'node:crypto'
import type { Clock } from './clock.ts'
import type { Moment } from './moment.ts'

/**
 * If wall clock and monotonic clock diverge by more than this, monotonic readings from before and after count as
 * readings of two different clocks. Smaller differences come from NTP, or from a process that was not scheduled between
 * two readings.
 */
export const LARGEST_DIVERGENCE_MS = 1_000

/**
 * How far the wall clock is ahead of the monotonic clock, in ms. Changes if the wall clock is set or the machine
 * sleeps.
 */
export function wallLead(clock: Clock): number {
  return clock.now() - clock.monotonic()
}

/** How far the two clocks have diverged since a moment, in ms. */
export function divergenceSince({ wall, monotonic }: Moment, clock: Clock): number {
  return Math.abs(wallLead(clock) - (wall - monotonic))
}

/** The time base of one process. Offsets to other clocks are measured against it because it cannot be set. */
export interface SteadyClock {
  /** `Clock.monotonic`: ms since some moment before the process started. Never jumps, even if the wall clock is set. */
  now(): number
  /**
   * Identifies the clock that `now` reads; random for each process. Only readings with the same id are comparable. The
   * monotonic clock stops while the machine sleeps, so the id changes when wall clock and monotonic clock have
   * diverged.
   */
  id(): string
}

/** All steady clocks of one process read the same time, each with its own ids. */
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
