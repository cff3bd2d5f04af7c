import type { Clock } from './clock.ts'

/** A point in time on both clocks of this process. */
export interface Moment {
  wall: number
  monotonic: number
}

export function momentOf(clock: Clock): Moment {
  return { wall: clock.now(), monotonic: clock.monotonic() }
}

/**
 * The time since a moment, in ms, on whichever clock shows more. A wall-clock jump in either direction, or a suspend,
 * during which the monotonic clock stops, makes the result larger, never smaller.
 */
export function elapsedMs(clock: Clock, since: Moment): number {
  return Math.max(Math.abs(clock.now() - since.wall), clock.monotonic() - since.monotonic)
}
