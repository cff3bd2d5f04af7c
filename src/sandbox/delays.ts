import type { Clock } from '../base/clock.ts'

/** Timers that can be cancelled together, so that closing the sandbox leaves none running. */
export class Delays {
  readonly #after: Clock['after']
  readonly #cancels = new Set<() => void>()

  constructor(after: Clock['after']) {
    this.#after = after
  }

  /** Resolves after this many milliseconds, or never if `cancel` is called first. */
  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#after(milliseconds, () => {
        this.#cancels.delete(cancel)
        resolve()
      })
      this.#cancels.add(cancel)
    })
  }

  cancel(): void {
    for (const cancel of this.#cancels) cancel()
    this.#cancels.clear()
  }
}
