import { MAX_EVENTS } from './transmitter-api.ts'

/** Pause before the next poll if the transmitter returns empty polls immediately. */
const IDLE_MS = 5_000
/** Number of consecutive quick polls with few events each that are followed by the next poll at once. */
const QUICK_POLLS = 10
/** Pause after further quick polls, so that events accumulate. A slow or full poll ends this pace. */
const PACED_MS = 1_000

/** The result of a poll. */
export interface PollCourse {
  tookMs: number
  /** Number of events received. */
  events: number
  /** Whether all events had been acknowledged or rejected with this poll. */
  isNothingNew: boolean
  /** Whether events must come again. */
  hasUndecided: boolean
}

/**
 * When to poll again. It limits the rate at which Curfew polls a transmitter that keeps returning nothing, known events
 * or a few events at once, whether it reports more events or not. A backlog arrives in full polls and is fetched
 * without pauses.
 * @param quickBefore `quickPolls` of the last result, initially 0
 */
export function nextPoll(
  { tookMs, events, isNothingNew, hasUndecided }: PollCourse,
  quickBefore: number,
): { waitMs: number; quickPolls: number } {
  if (hasUndecided || (isNothingNew && tookMs < IDLE_MS)) return { waitMs: IDLE_MS, quickPolls: quickBefore }
  if (tookMs >= PACED_MS || events >= MAX_EVENTS) return { waitMs: 0, quickPolls: 0 }
  const quickPolls = Math.min(quickBefore + 1, QUICK_POLLS + 1)
  return { waitMs: quickPolls > QUICK_POLLS ? PACED_MS : 0, quickPolls }
}
