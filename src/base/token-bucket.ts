import type { Clock } from './clock.ts'

export interface TokenBucketOptions {
  /** Tokens when full. */
  capacity: number
  perSecond: number
  clock: Pick<Clock, 'monotonic'>
}

/** A budget that refills with time. It may go below zero, if the cost of work is known only afterwards. */
export class TokenBucket {
  readonly #options: TokenBucketOptions
  #level: number
  #at: number

  constructor(options: TokenBucketOptions) {
    this.#options = options
    this.#level = options.capacity
    this.#at = options.clock.monotonic()
  }

  /** Whether the cost of earlier work has been earned back. */
  hasRoom(): boolean {
    const { capacity, perSecond, clock } = this.#options
    const now = clock.monotonic()
    this.#level = Math.min(capacity, this.#level + ((now - this.#at) / 1000) * perSecond)
    this.#at = now
    return this.#level > 0
  }

  /** Time until `hasRoom`, in ms; at least 1. */
  msUntilRoom(): number {
    if (this.hasRoom()) return 1
    return Math.floor((-this.#level / this.#options.perSecond) * 1000) + 1
  }

  spend(cost: number): void {
    this.#level -= cost
  }
}
