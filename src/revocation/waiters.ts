import type { Clock } from '../base/clock.ts'
import { userKey } from './keys.ts'
import type { Revocation } from './revocation.ts'
import type { RevocationStore } from './store.ts'

/** Each waiting caller holds a connection and a timer; beyond this many, further ones are not kept waiting. */
const WAITING_AT_MOST = 1_000

/** Callers who asked, by `Prefer: wait`, to be answered when their revocation has ended, or was confirmed. */
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
   * Waits until a revocation `isDone`, `ms` at most, and answers with it as it then stands. The wait is by
   * user, not by id, since a revocation may join another one on the way.
   */
  async until(
    isDone: (revocation: Revocation) => boolean,
    revocation: Revocation,
    ms: number,
  ): Promise<Revocation> {
    const deadline = this.#clock.monotonic() + ms
    let isWorthWaiting = true
    for (;;) {
      // Listening begins before the look, so that no change falls between the two.
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

  /** Wakes those who wait for this user, by `userKey`. */
  notify(key: string): void {
    this.#wake(key)
  }

  /** Answers all who wait, and keeps nobody waiting from now on. */
  close(): void {
    this.#closed = true
    for (const key of [...this.#callbacks.keys()]) this.#wake(key)
  }

  #wake(key: string): void {
    const callbacks = this.#callbacks.get(key)
    this.#callbacks.delete(key)
    for (const callback of callbacks ?? []) callback()
  }

  /** `happened` tells true at the next change for `key`, false when there is no time or room to wait for it. */
  #listen(key: string, deadline: number): { happened: Promise<boolean>; cancel: () => void } {
    const left = deadline - this.#clock.monotonic()
    if (this.#closed || left <= 0 || this.#waiting >= WAITING_AT_MOST) {
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
