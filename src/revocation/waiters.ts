import type { Clock } from '../base/clock.ts'
import { userKey } from './keys.ts'
import type { Revocation } from './revocation.ts'
import type { RevocationStore } from './store.ts'

/** Each waiting caller holds a connection and a timer; callers beyond this number are answered immediately. */
const MAX_WAITING = 1_000

/** Callers that asked, with `Prefer: wait`, for an answer once their revocation has ended or been confirmed. */
export class Waiters {
  readonly #store: RevocationStore
  readonly #clock: Clock
  readonly #callbacks = new Map<string, Set<() => void>>()
  #waiting = 0
  #closed = false

  constructor(store: RevocationStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /**
   * Waits up to `ms` until a revocation `isDone`, and returns its current state. Waits by user, not by id, because a
   * revocation may join another one in the meantime.
   */
  async until(
    isDone: (revocation: Revocation) => boolean,
    revocation: Revocation,
    ms: number,
  ): Promise<Revocation> {
    const deadline = this.#clock.monotonic() + ms
    let isWorthWaiting = true
    for (;;) {
      // Subscribe before reading, so that no change falls between the two.
      const change = this.#listen(userKey(revocation.tenant, revocation.user), deadline)
      try {
        const current = (await this.#store.get(revocation.id)) ?? revocation
        if (isDone(current) || !isWorthWaiting) return current
        isWorthWaiting = await change.happened
      } finally {
        change.cancel()
      }
    }
  }

  /** Wakes callers that wait for this user (`userKey`). */
  notify(key: string): void {
    this.#wake(key)
  }

  /** Answers all waiting callers; later callers do not wait. */
  close(): void {
    this.#closed = true
    for (const key of [...this.#callbacks.keys()]) this.#wake(key)
  }

  #wake(key: string): void {
    const callbacks = this.#callbacks.get(key)
    this.#callbacks.delete(key)
    for (const callback of callbacks ?? []) callback()
  }

  /**
   * `happened` resolves to true at the next change for `key`, or to false if there is no time or room to wait for it.
   */
  #listen(key: string, deadline: number): { happened: Promise<boolean>; cancel: () => void } {
    const left = deadline - this.#clock.monotonic()
    if (this.#closed || left <= 0 || this.#waiting >= MAX_WAITING) {
      return { happened: Promise.resolve(false), cancel: () => {} }
    }
    const { promise: happened, resolve } = Promise.withResolvers<boolean>()
    const callbacks = this.#callbacks.get(key) ?? new Set()
    let isOpen = true
    const end = (changed: boolean) => {
      if (!isOpen) return
      isOpen = false
      cancelTimer()
      callbacks.delete(onChange)
      if (callbacks.size === 0 && this.#callbacks.get(key) === callbacks) this.#callbacks.delete(key)
      this.#waiting -= 1
      resolve(changed)
    }
    const onChange = () => end(!this.#closed)
    const cancelTimer = this.#clock.after(left, () => end(false))
    callbacks.add(onChange)
    this.#callbacks.set(key, callbacks)
    this.#waiting += 1
    return { happened, cancel: () => end(false) }
  }
}
