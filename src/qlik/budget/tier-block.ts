/**
 * Tracks whether Qlik accepts calls of one tier. After a 429 there is no room until the time that Qlik asked for, or
 * the longest that Curfew waits: `tierWait` in revocation/retry-policy.ts decides how long. Then one call, the probe,
 * goes first. If it passes, the tier has recovered; if Qlik refuses it, too, the tier is blocked again. Pure data; times are
 * ms of any one clock that does not go back. `curfew.exchange_budget` does the same for several processes.
 */
export class TierBlock {
  /** When the last block ends; null before the first block, and once a call has passed after it. */
  #until: number | null = null
  #isProbing = false

  /** Qlik has requested a wait until then. A block is never shortened. */
  block(until: number): void {
    this.#until = Math.max(this.#until ?? until, until)
  }

  /** When the block in force ends; null if there is none. */
  until(now: number): number | null {
    return this.#until !== null && this.#until > now ? this.#until : null
  }

  /** Whether Qlik has accepted a call since the last block. */
  get hasRecovered(): boolean {
    return this.#until === null
  }

  /** Whether a probe is under way; its result decides. */
  get isProbing(): boolean {
    return this.#isProbing
  }

  /** Number of calls, out of `room`, that may start at `now`. */
  allows(room: number, now: number): number {
    if (this.#until === null) return room
    if (this.#until > now || this.#isProbing) return 0
    return Math.min(room, 1)
  }

  /** A call starts; true if it is the probe. */
  begin(): boolean {
    if (this.#until === null) return false
    this.#isProbing = true
    return true
  }

  /** The probe ended; true if the tier has recovered. A probe without a response does not; another one goes first. */
  probed(passed: boolean, now: number): boolean {
    this.#isProbing = false
    if (!passed || this.#until === null || this.#until > now) return false
    this.#until = null
    return true
  }
}
