/**
 * Minimum time for which ended calls are remembered, even if the window is shorter: Qlik's own window
 * (https://qlik.dev/apis/rest/rate-limiting). So a window configured too short can be corrected at runtime, and the
 * calls that Qlik still counts are known.
 */
export const REMEMBERED_FOR_MS = 300_000

export interface Limit {
  /** Calls per window. */
  limit: number
  windowMs: number
}

/**
 * The calls that count against one tier: at most `limit` in any `windowMs`. Both can change at any time; new calls
 * follow the current values. Pure data; times are ms of any one clock that does not go back.
 *
 * Qlik counts a call when it arrives, some time between its start and its response. So a call counts here from its
 * start until a window after its *end*: then the log satisfies both a sliding and a fixed window, for any
 * latency.
 */
export class SlidingLog {
  #limit: number
  #windowMs: number
  /** End times of the calls, oldest first. */
  #ended: number[] = []
  /** Index of the first call that counts; those before it are only remembered. */
  #first = 0
  #underWay = 0

  constructor({ limit, windowMs }: Limit) {
    this.#limit = limit
    this.#windowMs = windowMs
  }

  /** Sets the limit, for all remembered calls. */
  change({ limit, windowMs }: Limit): void {
    // Calls that had left a shorter window may be inside a longer one.
    if (windowMs > this.#windowMs) this.#first = 0
    this.#limit = limit
    this.#windowMs = windowMs
  }

  /** Number of calls that may start at `now`. */
  room(now: number): number {
    return Math.max(0, this.#limit - this.#counted(now))
  }

  /** A call starts. */
  begin(): void {
    this.#underWay += 1
  }

  /** A call ended at `now`: with a response, a failure or a timeout. */
  end(now: number): void {
    this.#underWay -= 1
    this.#ended.push(now)
  }

  /** A started call was not made. */
  cancel(): void {
    this.#underWay -= 1
  }

  /** Adds calls of an earlier process, oldest first; must precede all others. */
  restore(at: number, count: number): void {
    for (let index = 0; index < count; index += 1) this.#ended.push(at)
  }

  /**
   * Earliest time at which the `nth` next call (1 is the first) may start, if those under way end now and all earlier
   * ones start as soon as they may.
   */
  freeAt(nth: number, now: number): number {
    const counted = this.#counted(now)
    // In end order, a call starts when the one `limit` places before it leaves the window.
    const place = counted + nth - 1 - this.#limit
    const rounds = place < counted ? 0 : Math.ceil((place - counted + 1) / this.#limit)
    const before = place - rounds * this.#limit
    const end = this.#ended[this.#first + before] ?? now
    const freeAt = before < 0 ? now : Math.max(now, end + this.#windowMs)
    return freeAt + rounds * this.#windowMs
  }

  /** Number of calls that count at `now`. */
  #counted(now: number): number {
    this.#skip(now)
    return this.#underWay + this.#ended.length - this.#first
  }

  #skip(now: number): void {
    const countsFrom = now - this.#windowMs
    while (this.#isOver(this.#first, countsFrom)) this.#first += 1
    this.#forget(now - Math.max(this.#windowMs, REMEMBERED_FOR_MS))
  }

  /** Copied only when half of the entries are past, so that the cost per call is negligible. */
  #forget(from: number): void {
    const half = Math.ceil(this.#ended.length / 2)
    if (half < 32 || half > this.#first || !this.#isOver(half - 1, from)) return
    this.#ended = this.#ended.slice(half)
    this.#first -= half
  }

  /** Whether the call at this index ended at `time` or before. */
  #isOver(place: number, time: number): boolean {
    const end = this.#ended[place]
    return end !== undefined && end <= time
  }
}
