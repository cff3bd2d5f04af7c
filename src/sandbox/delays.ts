/** Timers that can be ended together, so that closing the sandbox leaves none behind. */
export class Delays {
  readonly #timers = new Set<NodeJS.Timeout>()

  /** Resolves after so many milliseconds; never, when `cancel` comes first. */
  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer)
        resolve()
      }, milliseconds)
      this.#timers.add(timer)
    })
  }

  cancel(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}
