import { z } from 'zod'
import { type By, entryOf } from './audit/entry.ts'
import type { Revocation } from './revocation.ts'
import { sendersOf } from './revocation-view.ts'

/** Tokens that a timeline lists at most. */
const MAX_TOKENS = 1_000

/** Something that happened to a revocation. */
export interface Step {
  /** ms since the epoch. */
  at: number
  /**
   * An event of the audit trail, or `started`: the first attempt; `listed`: one pass over the tokens; `waited`: the end of
   * a wait of at least a second.
   */
  event: string
  /** Null for Curfew itself, or if it is unknown. */
  by: Omit<By, 'id'> | null
  address: string | null
  /** As in the audit trail; `tokens` is omitted if there are too many, then `omitted` is their number. */
  details: Record<string, unknown>
}

const Tokens = z.array(z.unknown())

/**
 * What happened to a revocation, oldest first: the entries of the audit trail and what its members show. The trail may be off,
 * or its entries deleted.
 * @param texts the canonical JSON of the newest entries about it
 */
export function timelineOf(revocation: Revocation, texts: readonly string[]): Step[] {
  const recorded = texts.flatMap((text) => stepOf(text) ?? [])
  const { acceptedAt, startedAt } = revocation
  const isKnown = recorded.some(({ event }) => event === 'signal-accepted' || event === 'held')
  const accepted = isKnown
    ? []
    : [{ ...plain('signal-accepted', acceptedAt), by: sendersOf(revocation)[0] ?? null }]
  const started = startedAt === null ? [] : [plain('started', startedAt)]
  // Those of the same ms in the order in which they happen.
  const steps = [
    ...accepted,
    ...started,
    ...recorded.reverse().flatMap(withHistory),
    ...ending(revocation, recorded),
  ]
  steps.sort((one, other) => one.at - other.at || rankOf(one) - rankOf(other))
  return limited(steps)
}

const RANKS: Readonly<Record<string, number>> = {
  'signal-accepted': 0,
  held: 0,
  started: 1,
  listed: 2,
  waited: 2,
}

function rankOf({ event }: Step): number {
  return RANKS[event] ?? 3
}

function plain(event: string, at: number): Step {
  return { at, event, by: null, address: null, details: {} }
}

/** Null if another program has damaged the entry. */
function stepOf(text: string): Step | null {
  const entry = entryOf(text)
  if (entry === null) return null
  const { at, event, by, address, details } = entry
  return { at, event, by: by && { kind: by.kind, name: by.name }, address, details }
}

const History = z.object({
  listings: z.array(z.looseObject({ at: z.int() })).catch([]),
  waits: z.array(z.looseObject({ at: z.int(), ms: z.int() })).catch([]),
})

/** A step, after those that its entry lists: the listings and the waits of a run. */
function withHistory(step: Step): Step[] {
  const { listings: _, waits: __, ...details } = step.details
  const { listings, waits } = History.parse(step.details)
  return [
    ...listings.map(({ at, ...details }) => ({ ...plain('listed', at), details })),
    ...waits.map(({ at, ...details }) => ({ ...plain('waited', at + details.ms), details })),
    { ...step, details },
  ]
}

/** The end, if the trail does not have it. */
function ending(
  { completedAt, status, outcome, attempts, error }: Revocation,
  recorded: readonly Step[],
): Step[] {
  const isKnown = recorded.some(({ event }) => event === 'revocation-ended' || event === 'cancelled')
  if (completedAt === null || isKnown) return []
  const details = { status, outcome, attempts, error: error?.code ?? null }
  return [{ ...plain('revocation-ended', completedAt), details }]
}

function limited(steps: readonly Step[]): Step[] {
  let left = MAX_TOKENS
  return steps.map((step) => {
    const { success, data: tokens } = Tokens.safeParse(step.details.tokens)
    if (!success) return step
    left -= tokens.length
    return left >= 0 ? step : { ...step, details: { omitted: tokens.length } }
  })
}
