import { randomUUID } from 'node:crypto'
import type { Ledger, LedgerLimits, LedgerOptions } from './ledger.ts'
import type { ExchangeAnswer, PermitExchange } from './permit-log.ts'

/** How often a process with waiting calls asks for permits that others have given back. */
const ASK_AGAIN_AFTER_MS = 5_000

/** Requested in addition to current demand, so that not every call waits for the database. */
const SPARE_PERMITS = 4
/** A permit not used within this time is returned. */
const USABLE_FOR_MS = 2_000
/** Added to that and the timeout of a call, for late responses and timers. */
const LEASE_MARGIN_MS = 3_000
/** How long ended calls are batched, and spare permits kept, without new demand: other processes may wait for them. */
const SETTLE_AFTER_MS = 250
/** The same while the window has ample room, so that nobody waits and the database is spared. */
const SETTLE_LATER_AFTER_MS = USABLE_FOR_MS
/** Fraction of the limit that counts as ample room. */
const AMPLE_SHARE = 0.5
const FAILURE_RETRY_MS = 500

/** `onFailure`: the exchange is unreachable; no calls are made until it is reachable again. */
export type SharedLedgerOptions = LedgerOptions<PermitExchange>

/**
 * Counts the calls of all processes that share a budget. The store issues permits, a few at a time; this ledger
 * tracks those that this process holds. One exchange at a time reports which calls have ended and requests more
 * permits.
 */
export class SharedLedger implements Ledger {
  readonly #options: Omit<SharedLedgerOptions, keyof LedgerLimits>
  readonly #holder = randomUUID()
  #limits: LedgerLimits
  #stock = 0
  #stockUntil = 0
  #underWay = 0
  /** State of the probe, the one call that goes first after a block, if it was granted to this process. */
  #probe: 'none' | 'in-stock' | 'under-way' | 'passed' = 'none'
  /** End times of calls not yet reported to the store. */
  #ended: number[] = []
  #wanted = 0
  #callback = () => {}
  #askNotBefore = 0
  /**
   * When the wait that Qlik asked for ends. Permits granted earlier, or for calls that were not made, are not used
   * until then.
   */
  #blockedUntil = 0
  #remaining: number
  /** When the store last answered an exchange. */
  #answeredAt = Number.NEGATIVE_INFINITY
  #exchanging: Promise<void> | null = null
  #cancelTimer = () => {}
  /** Whether the store has recorded permits held by this process. */
  #isHolding = false
  #isClosed = false

  constructor({ limit, windowMs, timeoutMs, ...options }: SharedLedgerOptions) {
    this.#options = options
    this.#limits = { limit, windowMs, timeoutMs }
    this.#remaining = limit
  }

  room(): number {
    const now = this.#options.clock.monotonic()
    if (this.#stock > 0 && (now >= this.#stockUntil || now < this.#blockedUntil)) this.#giveBack()
    return this.#stock
  }

  remaining(): number {
    const isWaiting = this.#askNotBefore > this.#options.clock.monotonic()
    return this.room() + (isWaiting ? 0 : this.#remaining)
  }

  /** Exchanges are exact, so a read that began before the last answer, or ends during one, is ignored. */
  observe(remaining: number, readAt: number): void {
    if (this.#exchanging || readAt < this.#answeredAt) return
    this.#remaining = remaining
  }

  begin(): boolean {
    this.#stock -= 1
    this.#underWay += 1
    if (this.#probe !== 'in-stock') return false
    this.#probe = 'under-way'
    return true
  }

  end(): void {
    this.#underWay -= 1
    this.#ended.push(this.#options.clock.monotonic())
    this.#schedule()
  }

  cancel(): void {
    this.#underWay -= 1
    this.#stock += 1
    this.#schedule()
  }

  probed(passed: boolean): void {
    if (passed) {
      this.#probe = 'passed'
      this.#askNotBefore = this.#blockedUntil
    } else {
      this.#probe = 'none'
      this.#giveBack()
    }
    this.#schedule()
  }

  freeAt(nth: number): number {
    const { clock } = this.#options
    const { limit, windowMs } = this.#limits
    const room = this.room() + this.#remaining
    const now = clock.monotonic()
    if (nth <= room) return Math.max(now, this.#askNotBefore)
    const next = this.#askNotBefore > now ? this.#askNotBefore : now + windowMs
    return next + Math.floor((nth - room - 1) / limit) * windowMs
  }

  /** As last reported by the store: other processes also use the window. */
  usedUpUntil(): number | null {
    const isWaiting = this.#askNotBefore > Math.max(this.#options.clock.monotonic(), this.#blockedUntil)
    return isWaiting ? this.#askNotBefore : null
  }

  whenRoom(wanted: number, callback: () => void): () => void {
    this.#wanted = wanted
    this.#callback = callback
    this.#schedule()
    return () => {
      this.#wanted = 0
    }
  }

  /** The store records a permit before it issues it. */
  async noted(): Promise<void> {}

  async block(ms: number): Promise<void> {
    const { permits, key, onFailure } = this.#options
    this.#noteBlock(ms)
    await permits.block(key, ms).catch(onFailure)
  }

  blockedUntil(): number | null {
    return this.#blockedUntil > this.#options.clock.monotonic() ? this.#blockedUntil : null
  }

  /** Unused permits granted under the old limits are returned. */
  change(limits: LedgerLimits): void {
    this.#remaining = Math.max(0, this.#remaining + limits.limit - this.#limits.limit)
    this.#limits = limits
    this.#askNotBefore = this.#blockedUntil
    this.#giveBack()
    this.#schedule()
  }

  /** The store keeps the history. */
  async restore(): Promise<void> {}

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    await this.#exchanging
    this.#wanted = 0
    this.#giveBack()
    if (this.#isHolding || this.#ended.length > 0) await this.#exchange()
  }

  /** The next exchange reports that the permits are not held. */
  #giveBack(): void {
    this.#stock = 0
    if (this.#probe === 'in-stock') this.#probe = 'none'
  }

  #noteBlock(ms: number): void {
    this.#giveBack()
    this.#blockedUntil = Math.max(this.#blockedUntil, this.#options.clock.monotonic() + ms)
    this.#askNotBefore = Math.max(this.#askNotBefore, this.#blockedUntil)
  }

  #schedule(): void {
    if (this.#exchanging || this.#isClosed) return
    this.#cancelTimer()
    const { clock } = this.#options
    const run = () => this.#exchange()
    if (this.#wanted > 0) this.#cancelTimer = clock.after(this.#askInMs(), run)
    // Other processes wait for the result of the probe.
    else if (this.#probe === 'passed') this.#cancelTimer = clock.after(0, run)
    else if (this.#ended.length > 0 || this.#stock > 0 || (this.#isHolding && this.#underWay === 0))
      this.#cancelTimer = clock.after(this.#settleAfterMs(), run)
  }

  /** Other processes give back permits that they do not use, so the window may have room before its end. */
  #askInMs(): number {
    const waitMs = this.#askNotBefore - this.#options.clock.monotonic()
    return this.blockedUntil() === null ? Math.min(waitMs, ASK_AGAIN_AFTER_MS) : waitMs
  }

  #settleAfterMs(): number {
    return this.#remaining >= this.#limits.limit * AMPLE_SHARE ? SETTLE_LATER_AFTER_MS : SETTLE_AFTER_MS
  }

  async #exchange(): Promise<void> {
    this.#cancelTimer()
    this.#exchanging = this.#askFor(this.#wanted)
    await this.#exchanging
    this.#exchanging = null
    if (this.room() > 0 && this.#wanted > 0) {
      this.#wanted = 0
      this.#callback()
    }
    this.#schedule()
  }

  /** Never rejects: a failed exchange is repeated. */
  async #askFor(needed: number): Promise<void> {
    const { key, permits, clock, onFailure } = this.#options
    const limits = this.#limits
    const askedAt = clock.monotonic()
    const ended = this.#ended
    this.#ended = []
    // No demand for a while: leave the remaining permits to other processes.
    if (needed === 0) this.#giveBack()
    const held = this.#underWay + this.room()
    const probe = this.#probe
    try {
      const answer = await permits.exchange({
        key,
        holder: this.#holder,
        limit: limits.limit,
        windowMs: limits.windowMs,
        leaseMs: USABLE_FOR_MS + limits.timeoutMs + LEASE_MARGIN_MS,
        held,
        ended: ended.length,
        // All of them count from the last end.
        endedAgoMs: askedAt - (ended.at(-1) ?? askedAt),
        wanted: needed === 0 ? 0 : needed + SPARE_PERMITS,
        probe: probe === 'in-stock' || probe === 'under-way' ? 'held' : probe,
      })
      this.#answeredAt = clock.monotonic()
      if (probe === 'passed') this.#probe = 'none'
      this.#isHolding = held + answer.granted > 0
      // Permits under outdated limits are not used; the next exchange returns them.
      if (limits !== this.#limits) return
      this.#take(answer, askedAt)
      this.#remaining = answer.remaining
      const nextAt = answer.granted < needed ? clock.monotonic() + answer.waitMs : 0
      this.#askNotBefore = Math.max(nextAt, this.#blockedUntil)
    } catch (error) {
      onFailure(error)
      this.#ended = [...ended, ...this.#ended]
      this.#askNotBefore = Math.max(clock.monotonic() + FAILURE_RETRY_MS, this.#blockedUntil)
    }
  }

  #take({ granted, isProbe, blockedMs }: ExchangeAnswer, askedAt: number): void {
    // Permits from before the block must not be used alongside the probe.
    if (blockedMs !== null && this.#probe === 'none') this.#giveBack()
    if (blockedMs !== null && blockedMs > 0) this.#noteBlock(blockedMs)
    if (this.room() === 0) this.#stockUntil = askedAt + USABLE_FOR_MS
    this.#stock += granted
    if (isProbe) this.#probe = 'in-stock'
  }
}
