import type { Clock } from '../clock.ts'
import type { CallOptions } from '../revocation/qlik-tenant.ts'
import type { SlidingLog } from './sliding-log.ts'

/** A permit to make one call. Exactly one of the two is to be called, once. */
export interface Permit {
  /** The call has ended, whatever its answer. */
  end(): void
  /** The call was not made. */
  cancel(): void
}

interface Waiter {
  urgency: number
  grant: (permit: Permit) => void
}

/** Timers and clocks may differ by a few ms from those of the tenant. */
const MARGIN_MS = 5

/**
 * Lets calls of one tier through: the most urgent first, then in order of asking, as long as the sliding log
 * has room, fewer than `concurrency` are under way, and Qlik has not asked to wait.
 */
export class TierGate {
  readonly #log: SlidingLog
  readonly #clock: Clock
  readonly #concurrency: number
  readonly #waiting: Waiter[] = []
  #underWay = 0
  #blockedUntil = 0
  #cancelTimer = () => {}

  constructor(log: SlidingLog, clock: Clock, concurrency: number) {
    this.#log = log
    this.#clock = clock
    this.#concurrency = concurrency
  }

  /** Waits for a permit. Rejects with the signal's reason when that aborts first. */
  draw({ urgency, signal }: CallOptions): Promise<Permit> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        if (this.#waiting.length === 0) this.#cancelTimer()
        reject(signal.reason)
      }
      const waiter: Waiter = {
        urgency,
        grant: (permit) => {
          signal.removeEventListener('abort', onAbort)
          resolve(permit)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#enqueue(waiter)
      this.#letThrough()
    })
  }

  /** Lets nothing through until `until` (monotonic ms). A later block wins. */
  block(until: number): void {
    this.#blockedUntil = Math.max(this.#blockedUntil, until)
  }

  /** How many calls could start now as far as Qlik's limits go. */
  remaining(): number {
    return this.#isBlocked() ? 0 : this.#log.room(this.#now())
  }

  /** When the `nth` call from now could start, those that already wait included; monotonic ms. */
  freeAt(nth: number): number {
    return Math.max(this.#log.freeAt(nth, this.#now()), this.#blockedUntil)
  }

  #now(): number {
    return this.#clock.monotonic() - MARGIN_MS
  }

  #isBlocked(): boolean {
    return this.#blockedUntil > this.#now()
  }

  /** Behind all that are as urgent. The queue is short-lived and mostly of one urgency, so looking from its end is cheap. */
  #enqueue(waiter: Waiter): void {
    let position = this.#waiting.length
    while (position > 0 && (this.#waiting[position - 1]?.urgency ?? 0) > waiter.urgency) position -= 1
    this.#waiting.splice(position, 0, waiter)
  }

  #letThrough(): void {
    this.#cancelTimer()
    while (this.#waiting.length > 0 && this.#underWay < this.#concurrency && this.remaining() > 0) {
      this.#log.begin()
      this.#underWay += 1
      this.#waiting.shift()?.grant(this.#permit())
    }
    if (this.#waiting.length === 0 || this.#underWay >= this.#concurrency) return
    // Either a window's end or a block's end is awaited. Where only calls under way are in the way, their
    // end comes back here.
    const now = this.#clock.monotonic()
    const freeAt = this.freeAt(1) + MARGIN_MS
    this.#cancelTimer = this.#clock.after(Math.max(1, Math.ceil(freeAt - now)), () => this.#letThrough())
  }

  #permit(): Permit {
    let open = true
    const close = (note: () => void) => {
      if (!open) return
      open = false
      note()
      this.#underWay -= 1
      this.#letThrough()
    }
    return {
      end: () => close(() => this.#log.end(this.#clock.monotonic())),
      cancel: () => close(() => this.#log.cancel()),
    }
  }
}
