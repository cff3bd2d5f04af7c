import type { Clock } from '../clock.ts'
import { userKey } from './coalesce.ts'
import type { Revocation } from './revocation.ts'
import type { RevocationStore } from './store.ts'

/** Each waiting caller holds a connection and a timer; beyond this many, further ones are not kept waiting. */
const WAITING_AT_MOST = 1_000

/** Callers who asked, by `Prefer: wait`, to be answered when their revocation has ended. */
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
   * Waits until a revocation has ended, `ms` at most, and answers with it as it then stands. The wait is by
   * user, not by id, since a revocation may join another one on the way.
   */
  async untilEnded(revocation: Revocation, ms: number): Promise<Revocation> {
    const deadline = this.#clock.monotonic() + ms
    for (;;) {
      const change = this.#nextChange(userKey(revocation.tenant, revocation.user), deadline)
      const current = (await this.#store.get(revocation.id)) ?? revocation
      if (hasEnded(current) || !(await change)) return current
    }
  }

  /** Wakes those who wait for this user. */
  notify(revocation: Revocation): void {
    this.#wake(userKey(revocation.tenant, revocation.user))
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

  /** Resolves with true at the next change for `key`, with false when there is no time or room to wait. */
  #nextChange(key: string, deadline: number): Promise<boolean> {
    const left = deadline - this.#clock.monotonic()
    if (this.#closed || left <= 0 || this.#waiting >= WAITING_AT_MOST) return Promise.resolve(false)
    this.#waiting += 1
    return new Promise((resolve) => {
      const callbacks = this.#callbacks.get(key) ?? new Set()
      const end = (changed: boolean) => {
        cancel()
        callbacks.delete(onChange)
        if (callbacks.size === 0 && this.#callbacks.get(key) === callbacks) this.#callbacks.delete(key)
        this.#waiting -= 1
        resolve(changed)
      }
      const onChange = () => end(!this.#closed)
      const cancel = this.#clock.after(left, () => end(false))
      callbacks.add(onChange)
      this.#callbacks.set(key, callbacks)
    })
  }
}

export function hasEnded({ status }: Pick<Revocation, 'status'>): boolean {
  return status === 'completed' || status === 'failed'
}
