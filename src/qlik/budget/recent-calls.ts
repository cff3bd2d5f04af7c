/** A peak, or a refusal that shows a limit per minute, is evidence for this long. */
export const EVIDENCE_FOR_MS = 24 * 60 * 60_000

/** Number of a client's calls of one tier within a minute. */
export interface RecentCounts {
  /** Calls that started in the last minute, the refused ones included. */
  started: number
  /** The most calls within one minute that Qlik accepted, on the last day. */
  mostAccepted: number
}

/** A call that was made. */
export interface RecentCall {
  readonly startedAt: number
  isAccepted: boolean
}

/**
 * Remembers the calls of the last minute. A call counts as accepted within a minute only if it started and ended in it, so
 * Qlik counted it in that minute. Pure data; times are ms of any one clock that does not go back.
 */
export class RecentCalls {
  readonly #minuteMs: number
  /** In the order of their start. */
  #calls: RecentCall[] = []
  #accepted = 0
  #peak = { accepted: 0, at: 0 }
  #lastAcceptedStart = Number.NEGATIVE_INFINITY

  /** @param minuteMs a fifth of the window, which is five minutes in production */
  constructor(minuteMs: number) {
    this.#minuteMs = minuteMs
  }

  begin(now: number): RecentCall {
    this.#forget(now)
    const call = { startedAt: now, isAccepted: false }
    this.#calls.push(call)
    return call
  }

  /** Qlik's rate limiter has accepted the call. */
  accept(call: RecentCall, now: number): void {
    this.#forget(now)
    this.#lastAcceptedStart = Math.max(this.#lastAcceptedStart, call.startedAt)
    if (now - call.startedAt >= this.#minuteMs) return
    call.isAccepted = true
    this.#accepted += 1
    if (this.#accepted >= this.#peakAt(now)) this.#peak = { accepted: this.#accepted, at: now }
  }

  /** Start of the latest accepted call, regardless of when that was. */
  get lastAcceptedStart(): number {
    return this.#lastAcceptedStart
  }

  counts(now: number): RecentCounts {
    this.#forget(now)
    return { started: this.#calls.length, mostAccepted: this.#peakAt(now) }
  }

  #peakAt(now: number): number {
    return now - this.#peak.at < EVIDENCE_FOR_MS ? this.#peak.accepted : 0
  }

  #forget(now: number): void {
    let over = 0
    for (const { startedAt, isAccepted } of this.#calls) {
      if (now - startedAt < this.#minuteMs) break
      over += 1
      if (isAccepted) this.#accepted -= 1
    }
    if (over > 0) this.#calls = this.#calls.slice(over)
  }
}
