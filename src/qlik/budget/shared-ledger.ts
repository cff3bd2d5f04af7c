import { randomUUID } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import type { Ledger, LedgerLimits } from './ledger.ts'
import type { BudgetKey, ExchangeAnswer, PermitExchange } from './permit-log.ts'

/** Asked for beyond what is needed now, so that not every call waits for the database. */
const SPARE_PERMITS = 4
/** A permit that has not been used for this long is given back. */
const USABLE_FOR_MS = 2_000
/** Besides that and the call itself: for an answer that comes late, and timers that do. */
const LEASE_MARGIN_MS = 3_000
/** How long ends are gathered, and spare permits kept, while nobody asks for more: others may wait for them. */
const SETTLE_AFTER_MS = 250
/** The same while the window has so much room that nobody waits: a busy database has better things to do. */
const SETTLE_LATER_AFTER_MS = USABLE_FOR_MS
/** This part of the limit, at least, is room enough. */
const AMPLE_PART = 0.5
const ASK_AGAIN_AFTER_FAILURE_MS = 500

export interface SharedLedgerOptions extends LedgerLimits {
  key: BudgetKey
  permits: PermitExchange
  clock: Clock
  /** Told when the exchange could not be reached: no call is made until it can. */
  onFailure: (error: unknown) => void
}

/**
 * Calls of all processes that share a budget. Permits are issued by the store, a few at a time; this is what this
 * process holds of them. One exchange at a time tells which calls have ended and asks for more.
 */
export class SharedLedger implements Ledger {
  readonly #options: Pick<SharedLedgerOptions, 'key' | 'permits' | 'clock' | 'onFailure'>
  readonly #holder = randomUUID()
  #limits: LedgerLimits
  #stock = 0
  #stockUntil = 0
  #underWay = 0
  /** Where the one call is that goes first after a block, if it was granted to this process. */
  #probe: 'none' | 'in-stock' | 'under-way' | 'passed' = 'none'
  /** When calls ended that the store has not been told of. */
  #ended: number[] = []
  #wanted = 0
  #callback = () => {}
  #askNotBefore = 0
  /** Until when Qlik has asked to wait. What was granted before, or for calls that were not made, is not used until then. */
  #blockedUntil = 0
  #remaining: number
  #exchanging: Promise<void> | null = null
  #cancelTimer = () => {}
  /** Whether the store has noted any as held by this process. */
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

  /** What the store said last: what is left of a window changes without this process. */
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

  /** The store has noted a permit before it issued it. */
  async noted(): Promise<void> {}

  async block(ms: number): Promise<void> {
    const { permits, key, onFailure } = this.#options
    this.#noteBlock(ms)
    await permits.block(key, ms).catch(onFailure)
  }

  blockedUntil(): number | null {
    return this.#blockedUntil > this.#options.clock.monotonic() ? this.#blockedUntil : null
  }

  /** What was granted by the old limits and not used yet goes back. */
  change(limits: LedgerLimits): void {
    this.#remaining = Math.max(0, this.#remaining + limits.limit - this.#limits.limit)
    this.#limits = limits
    this.#askNotBefore = this.#blockedUntil
    this.#giveBack()
    this.#schedule()
  }

  /** The store remembers. */
  async restore(): Promise<void> {}

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    await this.#exchanging
    this.#wanted = 0
    this.#giveBack()
    if (this.#isHolding || this.#ended.length > 0) await this.#exchange()
  }

  /** The next exchange reports that they are no longer held. */
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
    if (this.#wanted > 0) this.#cancelTimer = clock.after(this.#askNotBefore - clock.monotonic(), run)
    // The others wait for it.
    else if (this.#probe === 'passed') this.#cancelTimer = clock.after(0, run)
    else if (this.#ended.length > 0 || this.#stock > 0 || (this.#isHolding && this.#underWay === 0))
      this.#cancelTimer = clock.after(this.#settleAfterMs(), run)
  }

  #settleAfterMs(): number {
    return this.#remaining >= this.#limits.limit * AMPLE_PART ? SETTLE_LATER_AFTER_MS : SETTLE_AFTER_MS
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

  /** Never rejects: what fails is asked again. */
  async #askFor(needed: number): Promise<void> {
    const { key, permits, clock, onFailure } = this.#options
    const limits = this.#limits
    const askedAt = clock.monotonic()
    const ended = this.#ended
    this.#ended = []
    // Nobody asked for a while: what is left over is for others.
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
        // They count from the last of them on.
        endedAgoMs: askedAt - (ended.at(-1) ?? askedAt),
        wanted: needed === 0 ? 0 : needed + SPARE_PERMITS,
        probe: probe === 'in-stock' || probe === 'under-way' ? 'held' : probe,
      })
      if (probe === 'passed') this.#probe = 'none'
      this.#isHolding = held + answer.granted > 0
      // Permits under limits that have changed since are not used; the next exchange gives them back.
      if (limits !== this.#limits) return
      this.#take(answer, askedAt)
      this.#remaining = answer.remaining
      const nextAt = answer.granted < needed ? clock.monotonic() + answer.waitMs : 0
      this.#askNotBefore = Math.max(nextAt, this.#blockedUntil)
    } catch (error) {
      onFailure(error)
      this.#ended = [...ended, ...this.#ended]
      this.#askNotBefore = Math.max(clock.monotonic() + ASK_AGAIN_AFTER_FAILURE_MS, this.#blockedUntil)
    }
  }

  #take({ granted, isProbe, blockedMs }: ExchangeAnswer, askedAt: number): void {
    // What is left from before the block must not go beside the probe.
    if (blockedMs !== null && this.#probe === 'none') this.#giveBack()
    if (blockedMs !== null && blockedMs > 0) this.#noteBlock(blockedMs)
    if (this.room() === 0) this.#stockUntil = askedAt + USABLE_FOR_MS
    this.#stock += granted
    if (isProbe) this.#probe = 'in-stock'
  }
}
