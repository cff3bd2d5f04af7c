import { EVENTS_AT_MOST } from './transmitter-api.ts'

/** A transmitter that does not hold a poll until there is something is asked again after this time. */
const IDLE_MS = 5_000
/** So many polls in a row may be answered at once with a few events each: more than that is no coincidence. */
const QUICK_POLLS = 10
/** From then on there is a pause of this length, in which events gather: a poll that brings many of them ends it. */
const PACED_MS = 1_000

/** How a poll went. */
export interface PollCourse {
  /** ms */
  tookMs: number
  /** How many events came. */
  events: number
  /** Whether no other events came than those that it was told of. */
  isNothingNew: boolean
  /** Whether events are to come again. */
  hasUndecided: boolean
}

/**
 * When to poll again. Whether more is said to be there or not: a transmitter that sends nothing, only what it was told of,
 * or a few events at once for ever is not asked without end. A backlog, which comes in full polls, is taken at once.
 * @param quickBefore what this answered the last time; 0 at first
 */
export function nextPoll(
  { tookMs, events, isNothingNew, hasUndecided }: PollCourse,
  quickBefore: number,
): { waitMs: number; quickPolls: number } {
  if (hasUndecided || (isNothingNew && tookMs < IDLE_MS)) return { waitMs: IDLE_MS, quickPolls: quickBefore }
  if (tookMs >= PACED_MS || events >= EVENTS_AT_MOST) return { waitMs: 0, quickPolls: 0 }
  const quickPolls = Math.min(quickBefore + 1, QUICK_POLLS + 1)
  return { waitMs: quickPolls > QUICK_POLLS ? PACED_MS : 0, quickPolls }
}
