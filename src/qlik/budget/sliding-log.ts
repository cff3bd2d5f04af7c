/**
 * Ended calls are remembered for at least this long, however short the window is: Qlik's own window
 * (https://qlik.dev/apis/rest/rate-limiting). So a window that was configured too short can be put right while calls
 * are made, and those that Qlik still counts are known.
 */
export const REMEMBERED_FOR_MS = 300_000

export interface Limit {
  /** Calls per window. */
  limit: number
  windowMs: number
}

/**
 * The calls that count against one tier: at most `limit` in any `windowMs`. Both can change at any time; a call starts
 * by those that are in force then. Pure data; times are ms of any one clock that does not go back.
 *
 * Qlik counts a call when it arrives, which is at some time between its start and its answer. So a call
 * counts here from its start until a window after its *end*: then the log satisfies a sliding window, and a
 * fixed one too, whatever the latency.
 */
export class SlidingLog {
  #limit: number
  #windowMs: number
  /** Ends of the calls, oldest first. */
  #ended: number[] = []
  /** The first that counts; those before it are only remembered. */
  #first = 0
  #underWay = 0

  constructor({ limit, windowMs }: Limit) {
    this.#limit = limit
    this.#windowMs = windowMs
  }

  /** From now on this limit holds, for all calls that are remembered. */
  change({ limit, windowMs }: Limit): void {
    // Those that had left a shorter window may be in a longer one.
    if (windowMs > this.#windowMs) this.#first = 0
    this.#limit = limit
    this.#windowMs = windowMs
  }

  /** How many calls may start at `now`. */
  room(now: number): number {
    return Math.max(0, this.#limit - this.#counted(now))
  }

  /** A call starts. */
  begin(): void {
    this.#underWay += 1
  }

  /** A call has ended at `now`: answered, failed or timed out. */
  end(now: number): void {
    this.#underWay -= 1
    this.#ended.push(now)
  }

  /** A call that had begun was not made. */
  cancel(): void {
    this.#underWay -= 1
  }

  /** Calls of an earlier process, oldest first; before any other. */
  restore(at: number, count: number): void {
    for (let index = 0; index < count; index += 1) this.#ended.push(at)
  }

  /**
   * When the `nth` next call (1 is the first) may start at the earliest, if those under way end now and all
   * earlier ones start as soon as they may.
   */
  freeAt(nth: number, now: number): number {
    const counted = this.#counted(now)
    // In the order of their ends, a call starts when the one that is `limit` places before it leaves the window.
    const place = counted + nth - 1 - this.#limit
    const rounds = place < counted ? 0 : Math.ceil((place - counted + 1) / this.#limit)
    const before = place - rounds * this.#limit
    const end = this.#ended[this.#first + before] ?? now
    const freeAt = before < 0 ? now : Math.max(now, end + this.#windowMs)
    return freeAt + rounds * this.#windowMs
  }

  /** How many calls count at `now`. */
  #counted(now: number): number {
    this.#skip(now)
    return this.#underWay + this.#ended.length - this.#first
  }

  #skip(now: number): void {
    const countsFrom = now - this.#windowMs
    while (this.#isOver(this.#first, countsFrom)) this.#first += 1
    this.#forget(now - Math.max(this.#windowMs, REMEMBERED_FOR_MS))
  }

  /** Copied only when half of it is past, so that forgetting costs next to nothing per call. */
  #forget(from: number): void {
    const half = Math.ceil(this.#ended.length / 2)
    if (half < 32 || half > this.#first || !this.#isOver(half - 1, from)) return
    this.#ended = this.#ended.slice(half)
    this.#first -= half
  }

  /** Whether the call at this place ended at `time` or before. */
  #isOver(place: number, time: number): boolean {
    const end = this.#ended[place]
    return end !== undefined && end <= time
  }
}
