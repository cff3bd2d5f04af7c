import type { Clock } from './clock.ts'
import { putLast } from './put-last.ts'

export interface LineLimiterOptions {
  /** Minimum time between two lines about the same, in ms. */
  everyMs: number
  /** Maximum number of topics and of details to remember. */
  maxTopics: number
  maxDetails: number
  clock: Pick<Clock, 'monotonic'>
}

interface Topic {
  /** Monotonic time of the last line. */
  at: number
  leftOut: number
}

/**
 * Limits log lines that clients can cause. The configuration limits the number of topics; clients choose the details, such as
 * an address. Once `maxDetails` details had a line within `everyMs`, further ones share one line per topic.
 */
export class LineLimiter {
  readonly #options: LineLimiterOptions
  /** Both by time of the last line, oldest first. */
  readonly #topics = new Map<string, Topic>()
  readonly #details = new Map<string, number>()

  constructor(options: LineLimiterOptions) {
    this.#options = options
  }

  /** @returns how many lines of the topic were left out since its last one; null if this one must be left out, too */
  note(topic: string, detail: string | null): number | null {
    const { clock, maxTopics, maxDetails } = this.#options
    const now = clock.monotonic()
    const known = this.#topics.get(topic) ?? { at: Number.NEGATIVE_INFINITY, leftOut: 0 }
    const key = `${topic} ${detail}`
    const isShared = detail === null || (!this.#details.has(key) && this.#isFull(now))
    const at = isShared ? known.at : (this.#details.get(key) ?? Number.NEGATIVE_INFINITY)
    if (this.#isRecent(at, now)) {
      known.leftOut += 1
      if (!this.#topics.has(topic)) putLast(this.#topics, topic, known, maxTopics)
      return null
    }
    putLast(this.#topics, topic, { at: now, leftOut: 0 }, maxTopics)
    if (!isShared) putLast(this.#details, key, now, maxDetails)
    return known.leftOut
  }

  /** Whether each remembered detail had a line recently. */
  #isFull(now: number): boolean {
    const [oldest = Number.NEGATIVE_INFINITY] = this.#details.values()
    return this.#details.size >= this.#options.maxDetails && this.#isRecent(oldest, now)
  }

  #isRecent(at: number, now: number): boolean {
    return now - at < this.#options.everyMs
  }
}
