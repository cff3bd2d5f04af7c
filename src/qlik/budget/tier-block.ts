/**
 * Whether Qlik lets calls of one tier through. After a 429 there is no room until the time that Qlik asked for, or the
 * longest that Curfew waits. Whether the limit is lifted then is for Qlik to say: one call goes first, the probe. When it
 * passes, the tier is open; when Qlik refuses it, too, the tier is blocked again. Pure data; times are ms of any one clock
 * that does not go back. `curfew.exchange_budget` does the same for several processes.
 */
export class TierBlock {
  /** When the last block ends; null before the first one, and once a call has passed after it. */
  #until: number | null = null
  #isProbing = false

  /** Qlik has asked to wait until then. A block is never cut short. */
  block(until: number): void {
    this.#until = Math.max(this.#until ?? until, until)
  }

  /** Until when there is no room; null where no block is in force. */
  until(now: number): number | null {
    return this.#until !== null && this.#until > now ? this.#until : null
  }

  /** A probe is under way; its end decides. */
  get isProbing(): boolean {
    return this.#isProbing
  }

  /** Of `room` calls, how many may start at `now`. */
  allows(room: number, now: number): number {
    if (this.#until === null) return room
    if (this.#until > now || this.#isProbing) return 0
    return Math.min(room, 1)
  }

  /** A call starts; true where it is the probe. */
  begin(): boolean {
    if (this.#until === null) return false
    this.#isProbing = true
    return true
  }

  /** The probe has ended; true where that has opened the tier. One without an answer does not: another goes first. */
  probed(passed: boolean, now: number): boolean {
    this.#isProbing = false
    if (!passed || this.#until === null || this.#until > now) return false
    this.#until = null
    return true
  }
}
