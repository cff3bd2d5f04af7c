import type { ExchangeAnswer, ExchangeRequest } from './permit-log.ts'

/** A permit not used within this time is returned. */
export const USABLE_FOR_MS = 2_000

/**
 * The permits that the store has issued to this process: those for calls under way, and a stock for the next calls. Pure
 * data; times are ms of any one clock that does not go back.
 */
export class HeldPermits {
  #stock = 0
  #stockUntil = 0
  #underWay = 0
  /** State of the probe, the one call that goes first after a block, if it was granted to this process. */
  #probe: 'none' | 'in-stock' | 'under-way' | 'passed' = 'none'
  #blockedUntil = 0
  #hasRecovered = true

  /** Number of calls that may start. */
  room(now: number): number {
    if (this.#stock > 0 && (now >= this.#stockUntil || now < this.#blockedUntil)) this.giveBack()
    return this.#stock
  }

  /** Whether there is a stock, which may be too old to be used. */
  get hasStock(): boolean {
    return this.#stock > 0
  }

  get areUnderWay(): boolean {
    return this.#underWay > 0
  }

  /** Whether a probe has passed that is not yet reported to the store. */
  get hasPassedProbe(): boolean {
    return this.#probe === 'passed'
  }

  /**
   * When the wait that Qlik asked for ends, possibly in the past. Permits granted earlier, or for calls that were not
   * made, are not used until then.
   */
  get blockedUntil(): number {
    return this.#blockedUntil
  }

  /** Whether Qlik has accepted a call of any process since the last block, as far as the store has reported. */
  get hasRecovered(): boolean {
    return this.#hasRecovered
  }

  /** A call starts; requires room. Returns true if it is the probe. */
  begin(): boolean {
    this.#stock -= 1
    this.#underWay += 1
    if (this.#probe !== 'in-stock') return false
    this.#probe = 'under-way'
    return true
  }

  end(): void {
    this.#underWay -= 1
  }

  /** A started call was not made. */
  cancel(): void {
    this.#underWay -= 1
    this.#stock += 1
  }

  probed(passed: boolean): void {
    this.#probe = passed ? 'passed' : 'none'
    if (passed) this.#hasRecovered = true
    else this.giveBack()
  }

  /** Qlik has requested a wait until then. */
  block(until: number): void {
    this.giveBack()
    this.#hasRecovered = false
    this.#blockedUntil = Math.max(this.#blockedUntil, until)
  }

  /** The next exchange reports that the stock is not held. */
  giveBack(): void {
    this.#stock = 0
    if (this.#probe === 'in-stock') this.#probe = 'none'
  }

  /** What an exchange reports. */
  report(now: number): Pick<ExchangeRequest, 'held' | 'probe'> {
    const held = this.#underWay + this.room(now)
    const probe = this.#probe
    return { held, probe: probe === 'in-stock' || probe === 'under-way' ? 'held' : probe }
  }

  /** The store has received a report. */
  reported({ probe }: Pick<ExchangeRequest, 'probe'>): void {
    if (probe === 'passed') this.#probe = 'none'
  }

  /** Adds what an exchange that began at `askedAt` granted. */
  take({ granted, isProbe, blockedMs }: ExchangeAnswer, askedAt: number, now: number): void {
    // Permits from before the block must not be used alongside the probe.
    if (blockedMs !== null && this.#probe === 'none') this.giveBack()
    if (blockedMs !== null && blockedMs > 0) this.block(now + blockedMs)
    // A block that this process has just reported may be missing in the answer.
    this.#hasRecovered = blockedMs === null && now >= this.#blockedUntil
    if (this.room(now) === 0) this.#stockUntil = askedAt + USABLE_FOR_MS
    this.#stock += granted
    if (isProbe) this.#probe = 'in-stock'
  }
}
