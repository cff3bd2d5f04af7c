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
 * How long ago a moment was, in ms, at least: what must not be used for too long does not survive a jump of the wall clock, in
 * either direction, nor a sleep of the machine, in which the monotonic clock stands still.
 */
export function elapsedMs(clock: Clock, since: Moment): number {
  return Math.max(Math.abs(clock.now() - since.wall), clock.monotonic() - since.monotonic)
}
