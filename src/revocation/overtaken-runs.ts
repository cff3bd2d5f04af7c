import type { Clock } from '../base/clock.ts'
import type { Runs } from './runs.ts'
import type { RunStore } from './store/run-store.ts'

/** The store compares all current runs, while claims repeat with every signal: searches take up to a tenth of the time. */
const PAUSE_FACTOR = 9

export interface OvertakenRunsOptions {
  store: Pick<RunStore, 'overtaken'>
  runs: Pick<Runs, 'isEmpty' | 'stop'>
  clock: Pick<Clock, 'monotonic'>
  /** Wall-clock time that never goes back, ms since the epoch. */
  now: () => number
}

/**
 * Stops runs that must give way. A run that waits for the budget must not delay a more urgent signal for the same user: it
 * is put back into the queue, and the two join.
 */
export class OvertakenRuns {
  readonly #options: OvertakenRunsOptions
  #notBefore = Number.NEGATIVE_INFINITY
  #resumesAt: number | null = null

  constructor(options: OvertakenRunsOptions) {
    this.#options = options
  }

  /** When a search that was left out is due, ms since the epoch; null if none was. */
  get resumesAt(): number | null {
    return this.#resumesAt
  }

  /** Stops those that the store names, unless the pause after the last search is not over. */
  async stop(): Promise<void> {
    const { store, runs, clock, now } = this.#options
    this.#resumesAt = null
    if (runs.isEmpty) return
    const startedAt = clock.monotonic()
    if (startedAt < this.#notBefore) {
      this.#resumesAt = now() + this.#notBefore - startedAt
      return
    }
    for (const id of await store.overtaken()) runs.stop(id)
    const endedAt = clock.monotonic()
    this.#notBefore = endedAt + PAUSE_FACTOR * (endedAt - startedAt)
  }
}
