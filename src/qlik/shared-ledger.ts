import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Ledger } from './ledger.ts'
import type { BudgetKey, PermitExchange } from './permit-log.ts'

/** Asked for beyond what is needed now, so that not every call waits for the database. */
const SPARE_PERMITS = 4
/** A permit that has not been used for this long is given back. */
const USABLE_FOR_MS = 2_000
/** Besides that and the call itself: for an answer that comes late, and timers that do. */
const LEASE_MARGIN_MS = 3_000
/** How long ends are gathered, and spare permits kept, while nobody asks for more. */
const SETTLE_AFTER_MS = 250
const ASK_AGAIN_AFTER_FAILURE_MS = 500

export interface SharedLedgerOptions {
  key: BudgetKey
  limit: number
  windowMs: number
  timeoutMs: number
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
  readonly #options: SharedLedgerOptions
  readonly #holder = randomUUID()
  #stock = 0
  #stockUntil = 0
  #underWay = 0
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

  constructor(options: SharedLedgerOptions) {
    this.#options = options
    this.#remaining = options.limit
  }

  room(): number {
    const now = this.#options.clock.monotonic()
    if (this.#stock > 0 && (now >= this.#stockUntil || now < this.#blockedUntil)) this.#stock = 0
    return this.#stock
  }

  remaining(): number {
    const isWaiting = this.#askNotBefore > this.#options.clock.monotonic()
    return this.room() + (isWaiting ? 0 : this.#remaining)
  }

  begin(): void {
    this.#stock -= 1
    this.#underWay += 1
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

  freeAt(nth: number): number {
    const { clock, limit, windowMs } = this.#options
    const room = this.room() + this.#remaining
    const now = clock.monotonic()
    if (nth <= room) return Math.max(now, this.#askNotBefore)
    const next = this.#askNotBefore > now ? this.#askNotBefore : now + windowMs
    return next + Math.floor((nth - room - 1) / limit) * windowMs
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
    const { permits, key, clock, onFailure } = this.#options
    this.#stock = 0
    this.#blockedUntil = Math.max(this.#blockedUntil, clock.monotonic() + ms)
    this.#askNotBefore = Math.max(this.#askNotBefore, this.#blockedUntil)
    await permits.block(key, ms).catch(onFailure)
  }

  /** The store remembers. */
  async restore(): Promise<void> {}

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer()
    await this.#exchanging
    this.#wanted = 0
    this.#stock = 0
    if (this.#isHolding || this.#ended.length > 0) await this.#exchange()
  }

  #schedule(): void {
    if (this.#exchanging || this.#isClosed) return
    this.#cancelTimer()
    const { clock } = this.#options
    const run = () => this.#exchange()
    if (this.#wanted > 0) this.#cancelTimer = clock.after(this.#askNotBefore - clock.monotonic(), run)
    else if (this.#ended.length > 0 || this.#stock > 0) this.#cancelTimer = clock.after(SETTLE_AFTER_MS, run)
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
    const { key, limit, windowMs, timeoutMs, permits, clock, onFailure } = this.#options
    const askedAt = clock.monotonic()
    const ended = this.#ended
    this.#ended = []
    // Nobody asked for a while: what is left over is for others.
    if (needed === 0) this.#stock = 0
    const wanted = needed === 0 ? 0 : needed + SPARE_PERMITS
    const held = this.#underWay + this.room()
    try {
      const answer = await permits.exchange({
        key,
        holder: this.#holder,
        limit,
        windowMs,
        leaseMs: USABLE_FOR_MS + timeoutMs + LEASE_MARGIN_MS,
        held,
        ended: ended.length,
        // They count from the last of them on.
        endedAgoMs: askedAt - (ended.at(-1) ?? askedAt),
        wanted,
      })
      if (this.room() === 0) this.#stockUntil = askedAt + USABLE_FOR_MS
      this.#stock += answer.granted
      this.#isHolding = held + answer.granted > 0
      this.#remaining = answer.remaining
      const nextAt = answer.granted < needed ? clock.monotonic() + answer.waitMs : 0
      this.#askNotBefore = Math.max(nextAt, this.#blockedUntil)
    } catch (error) {
      onFailure(error)
      this.#ended = [...ended, ...this.#ended]
      this.#askNotBefore = Math.max(clock.monotonic() + ASK_AGAIN_AFTER_FAILURE_MS, this.#blockedUntil)
    }
  }
}
