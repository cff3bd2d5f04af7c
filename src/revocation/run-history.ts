import type { Clock } from '../base/clock.ts'

/** Shorter waits are part of every run. */
const LEAST_WAIT_MS = 1_000
/** Waits for the same reason with less time in between are one. */
const GAP_MS = 1_000
const MAX_LISTINGS = 20
const MAX_WAITS = 20

/**
 * What a run waits for.
 * - `budget`: the calls of the rate limit's window are used up
 * - `qlik-rate-limit`: Qlik has returned 429 and requested a wait
 * - `other-run`: another run revokes the tokens of the same user
 * - `listing`: the list still shows revoked tokens, or changes while it is read
 */
export type WaitReason = 'budget' | 'qlik-rate-limit' | 'other-run' | 'listing'

/** Notes that a call or a run waits. The returned function is called when it proceeds. */
export type NoteWait = (what: WaitReason) => () => void

/** One pass over the tokens of the users. Times in ms since the epoch. */
export interface ListedOnce {
  at: number
  pages: number
  /** Tokens in scope. */
  found: number
  kept: number
  isComplete: boolean
}

export interface Wait {
  what: WaitReason
  at: number
  ms: number
}

/** The listings of a run and its waits, up to 20 of each; the audit trail records them with the end of the run. */
export interface RunHistory {
  listings: ListedOnce[]
  waits: Wait[]
}

/** A `Listing`. */
interface Listed {
  pages: number
  inScope: ReadonlySet<string>
  kept: ReadonlySet<string>
  failure: unknown
}

/** Notes what a run does. */
export class RunHistoryWriter {
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>
  readonly #history: RunHistory = { listings: [], waits: [] }
  /** Calls of a run wait at the same time. */
  readonly #waiting = new Map<WaitReason, { calls: number; since: number }>()

  constructor(clock: Pick<Clock, 'now' | 'monotonic'>) {
    this.#clock = clock
  }

  readonly noteListing = ({ pages, inScope, kept, failure }: Listed): void => {
    if (this.#history.listings.length >= MAX_LISTINGS) return
    const counts = { pages, found: inScope.size, kept: kept.size }
    this.#history.listings.push({ at: this.#clock.now(), ...counts, isComplete: failure === null })
  }

  readonly noteWait: NoteWait = (what) => {
    const waiting = this.#waiting.get(what) ?? { calls: 0, since: this.#clock.monotonic() }
    waiting.calls += 1
    this.#waiting.set(what, waiting)
    return () => {
      waiting.calls -= 1
      if (waiting.calls > 0) return
      this.#waiting.delete(what)
      this.#add(what, Math.round(this.#clock.monotonic() - waiting.since))
    }
  }

  #add(what: WaitReason, ms: number): void {
    if (ms < LEAST_WAIT_MS) return
    const { waits } = this.#history
    const at = this.#clock.now() - ms
    const last = waits.findLast((one) => one.what === what)
    if (last && at - (last.at + last.ms) < GAP_MS) last.ms = at + ms - last.at
    else if (waits.length < MAX_WAITS) waits.push({ what, at, ms })
  }

  /** What is known now. */
  read(): RunHistory {
    return this.#history
  }
}
