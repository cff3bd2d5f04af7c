/**
 * The calls that count against one tier: at most `limit` in any `windowMs`. Pure data; times are ms of any one
 * clock that does not go back.
 *
 * Qlik counts a call when it arrives, which is at some time between its start and its answer. So a call
 * counts here from its start until a window after its *end*: then the log satisfies a sliding window, and a
 * fixed one too, whatever the latency.
 */
export class SlidingLog {
  readonly limit: number
  readonly windowMs: number
  /** Ends of the calls, oldest first, from `#first` on. */
  #ended: number[] = []
  #first = 0
  #underWay = 0

  constructor(limit: number, windowMs: number) {
    this.limit = limit
    this.windowMs = windowMs
  }

  /** How many calls may start at `now`. */
  room(now: number): number {
    this.#forget(now)
    return Math.max(0, this.limit - this.#underWay - this.#counted())
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

  /** Calls of an earlier process; to be told oldest first, before any other. */
  restore(at: number, count: number): void {
    for (let index = 0; index < count; index += 1) this.#ended.push(at)
  }

  /**
   * When the `nth` next call (1 is the first) may start at the earliest, if those under way end now and all
   * earlier ones start as soon as they may.
   */
  freeAt(nth: number, now: number): number {
    const room = this.room(now)
    if (nth <= room) return now
    const position = nth - room - 1
    const round = Math.floor(position / this.limit)
    const index = position % this.limit
    const end = this.#ended[this.#first + index] ?? now
    return Math.max(now, end + this.windowMs) + round * this.windowMs
  }

  #counted(): number {
    return this.#ended.length - this.#first
  }

  #forget(now: number): void {
    for (;;) {
      const oldest = this.#ended[this.#first]
      if (oldest === undefined || oldest + this.windowMs > now) break
      this.#first += 1
    }
    // Copied only when half of it is past, so that forgetting costs next to nothing per call.
    if (this.#first > 64 && this.#first * 2 > this.#ended.length) {
      this.#ended = this.#ended.slice(this.#first)
      this.#first = 0
    }
  }
}
