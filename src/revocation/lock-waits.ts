import type { Clock } from '../base/clock.ts'

/** Another process may have locked the users. */
const LOCK_AGAIN_MS = 250

/** Lets runs wait until no other run revokes the tokens of the same users. */
export class LockWaits {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Resolves when `take` does to true. Calls it again when a run of this process ends, and periodically. Rejects with the
   * signal's reason if that aborts first.
   */
  async take(take: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    while (!(await take())) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const proceed = () => resolve()
      const cancel = this.#clock.after(LOCK_AGAIN_MS, proceed)
      this.#waiting.add(proceed)
      signal.addEventListener('abort', proceed, { once: true })
      await promise
      signal.removeEventListener('abort', proceed)
      this.#waiting.delete(proceed)
      cancel()
      signal.throwIfAborted()
    }
  }

  /** A run of this process has ended: its users may be free. */
  noteEnd(): void {
    for (const proceed of this.#waiting) proceed()
  }
}
