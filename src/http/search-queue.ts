import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import type { CountRefusal } from './refusals.ts'

/** Senders give up after about this time. */
const LONGEST_WAIT_MS = 10_000
/** Less than the memory for bodies, so that waiting ones leave room for others. */
const WAITING_BYTES = 4 * 1024 * 1024
const WAITING_AT_ONCE = 500

export interface SearchQueueOptions {
  /** Budget of searches that find nothing, in hashed bytes. A burst may use twice as much. */
  bytesPerSecond: number
  clock: Pick<Clock, 'monotonic' | 'after'>
  refused: CountRefusal
}

export interface Search {
  /** Of the body. */
  bytes: number
  /** If it finds nothing, in hashed bytes. */
  cost: number
  /** Recent failed authentications of the sender's address. */
  failures: number
}

interface Waiting extends Search {
  resolve: () => void
  reject: (error: CurfewError) => void
  cancel: () => void
}

/**
 * Limits the cost of searches that find nothing, without refusing legitimate ones: beyond the budget, searches wait for their
 * turn. Those of addresses with few failures come first, then small ones.
 */
export class SearchQueue {
  readonly #options: SearchQueueOptions
  readonly #budget: TokenBucket
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #cancelTimer: (() => void) | null = null

  constructor(options: SearchQueueOptions) {
    const { bytesPerSecond, clock } = options
    this.#options = options
    this.#budget = new TokenBucket({ capacity: 2 * bytesPerSecond, perSecond: bytesPerSecond, clock })
  }

  /**
   * Runs `work` when it is its turn. Its cost does not count if it finds something.
   * @throws CURFEW_OVERLOADED if its turn does not come in time
   */
  async run<Found>(search: Search, work: () => Found | null): Promise<Found | null> {
    if (this.#waiting.length > 0 || !this.#budget.hasRoom()) await this.#turn(search)
    else this.#budget.spend(search.cost)
    const found = work()
    if (found !== null) this.#refund(search.cost)
    return found
  }

  #refund(cost: number): void {
    this.#budget.spend(-cost)
    if (!this.#cancelTimer) return
    // There is room sooner.
    this.#cancelTimer()
    this.#cancelTimer = null
    this.#wake()
  }

  #turn(search: Search): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting: Waiting = { ...search, resolve, reject, cancel: () => {} }
    waiting.cancel = this.#options.clock.after(LONGEST_WAIT_MS, () => this.#refuse(waiting))
    this.#waiting.push(waiting)
    this.#waitingBytes += search.bytes
    while (this.#waiting.length > WAITING_AT_ONCE || this.#waitingBytes > WAITING_BYTES) {
      const last = inOrder(this.#waiting).at(-1)
      if (last) this.#refuse(last)
    }
    this.#wake()
    return promise
  }

  #next(): void {
    const [first] = inOrder(this.#waiting)
    if (first && this.#budget.hasRoom()) {
      this.#remove(first)
      this.#budget.spend(first.cost)
      first.resolve()
    }
    if (this.#waiting.length > 0) this.#wake()
  }

  #wake(): void {
    this.#cancelTimer ??= this.#options.clock.after(this.#budget.msUntilRoom(), () => {
      this.#cancelTimer = null
      this.#next()
    })
  }

  #refuse(waiting: Waiting): void {
    this.#remove(waiting)
    this.#options.refused('verification')
    waiting.reject(new CurfewError('CURFEW_OVERLOADED', undefined, { retryAfterSeconds: 1 }))
  }

  #remove(waiting: Waiting): void {
    waiting.cancel()
    this.#waiting = this.#waiting.filter((other) => other !== waiting)
    this.#waitingBytes -= waiting.bytes
  }
}

/** Sorting is stable: among equals, the first to arrive is first. */
function inOrder(all: readonly Waiting[]): Waiting[] {
  return all.toSorted((one, other) => one.failures - other.failures || one.cost - other.cost)
}
