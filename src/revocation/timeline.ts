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
  /** An event of the audit trail, or `started`: the first attempt. */
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
  const steps = [...accepted, ...started, ...recorded.reverse(), ...ending(revocation, recorded)]
  const rank = ({ event }: Step) =>
    event === 'signal-accepted' || event === 'held' ? 0 : event === 'started' ? 1 : 2
  steps.sort((one, other) => one.at - other.at || rank(one) - rank(other))
  return limited(steps)
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
