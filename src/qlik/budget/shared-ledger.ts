import { randomUUID } from 'node:crypto'
import { HeldPermits, USABLE_FOR_MS } from './held-permits.ts'
import type { Ledger, LedgerLimits, LedgerOptions } from './ledger.ts'
import type { PermitExchange } from './permit-log.ts'

/** How often a process with waiting calls asks for permits that others have given back. */
const ASK_AGAIN_AFTER_MS = 5_000

/** Requested in addition to current demand, so that not every call waits for the database. */
const SPARE_PERMITS = 4
/** Added to `USABLE_FOR_MS` and the timeout of a call, for late responses and timers. */
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
 * Counts the calls of all processes that share a budget. The store issues permits, a few at a time. One exchange at a
 * time reports which calls have ended and requests more permits.
 */
export class SharedLedger implements Ledger {
  readonly #options: Omit<SharedLedgerOptions, keyof LedgerLimits>
  readonly #holder = randomUUID()
  readonly #held = new HeldPermits()
  #limits: LedgerLimits
  /** End times of calls not yet reported to the store. */
  #ended: number[] = []
  #wanted = 0
  #callback = () => {}
  #askNotBefore = 0
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
    return this.#held.room(this.#options.clock.monotonic())
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
    return this.#held.begin()
  }

  end(): void {
    this.#held.end()
    this.#ended.push(this.#options.clock.monotonic())
    this.#schedule()
  }

  cancel(): void {
    this.#held.cancel()
    this.#schedule()
  }

  probed(passed: boolean): void {
    this.#held.probed(passed)
    if (passed) this.#askNotBefore = this.#held.blockedUntil
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
    const isWaiting = this.#askNotBefore > Math.max(this.#options.clock.monotonic(), this.#held.blockedUntil)
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
    const { permits, key, clock, onFailure } = this.#options
    this.#held.block(clock.monotonic() + ms)
    this.#askNotBefore = Math.max(this.#askNotBefore, this.#held.blockedUntil)
    await permits.block(key, ms).catch(onFailure)
  }

  blockedUntil(): number | null {
    const { blockedUntil } = this.#held
    return blockedUntil > this.#options.clock.monotonic() ? blockedUntil : null
  }

  hasRecovered(): boolean {
    return this.#held.hasRecovered
  }

  /** Unused permits granted under the old limits are returned. */
  change(limits: LedgerLimits): void {
    this.#remaining = Math.max(0, this.#remaining + limits.limit - this.#limits.limit)
    this.#limits = limits
    this.#askNotBefore = this.#held.blockedUntil
    this.#held.giveBack()
    this.#schedule()
  }

  /** The store keeps the history. */
  async restore(): Promise<void> {}

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    await this.#exchanging
    this.#wanted = 0
    this.#held.giveBack()
    if (this.#isHolding || this.#ended.length > 0) await this.#exchange()
  }

  #schedule(): void {
    if (this.#exchanging || this.#isClosed) return
    this.#cancelTimer()
    const { clock } = this.#options
    const run = () => this.#exchange()
    if (this.#wanted > 0) this.#cancelTimer = clock.after(this.#askInMs(), run)
    // Other processes wait for the result of the probe.
    else if (this.#held.hasPassedProbe) this.#cancelTimer = clock.after(0, run)
    else if (this.#ended.length > 0 || this.#held.hasStock || (this.#isHolding && !this.#held.areUnderWay))
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
    if (needed === 0) this.#held.giveBack()
    const report = this.#held.report(askedAt)
    try {
      const answer = await permits.exchange({
        key,
        holder: this.#holder,
        limit: limits.limit,
        windowMs: limits.windowMs,
        leaseMs: USABLE_FOR_MS + limits.timeoutMs + LEASE_MARGIN_MS,
        ...report,
        ended: ended.length,
        // All of them count from the last end.
        endedAgoMs: askedAt - (ended.at(-1) ?? askedAt),
        wanted: needed === 0 ? 0 : needed + SPARE_PERMITS,
      })
      this.#answeredAt = clock.monotonic()
      this.#held.reported(report)
      this.#isHolding = report.held + answer.granted > 0
      // Permits under outdated limits are not used; the next exchange returns them.
      if (limits !== this.#limits) return
      this.#held.take(answer, askedAt, clock.monotonic())
      this.#remaining = answer.remaining
      const nextAt = answer.granted < needed ? clock.monotonic() + answer.waitMs : 0
      this.#askNotBefore = Math.max(nextAt, this.#held.blockedUntil)
    } catch (error) {
      onFailure(error)
      this.#ended = [...ended, ...this.#ended]
      this.#askNotBefore = Math.max(clock.monotonic() + FAILURE_RETRY_MS, this.#held.blockedUntil)
    }
  }
}
