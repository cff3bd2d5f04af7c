import type { Clock } from './clock.ts'

/** A moment by both clocks of this process. */
export interface Moment {
  wall: number
  monotonic: number
}

export function momentOf(clock: Clock): Moment {
  return { wall: clock.now(), monotonic: clock.monotonic() }
}

/**
 * The time since a moment, in ms, by the clock that shows more. A jump of the wall clock, in either direction, and a sleep of
 * the machine, in which the monotonic clock stops, make it larger, never smaller.
 */
export function elapsedMs(clock: Clock, since: Moment): number {
  return Math.max(Math.abs(clock.now() - since.wall), clock.monotonic() - since.monotonic)
}
