import type { Clock } from '../../src/base/clock.ts'
import type { Timeline } from './timeline.ts'

/**
 * The clocks of one process. Its timers end with it; while it is suspended, they wait, and so does everything it
 * receives.
 */
export class ProcessClock implements Clock {
  readonly #timeline: Timeline
  readonly #bootedAt: number
  #skewMs: number
  #sleptMs = 0
  #resumesAt = 0
  #sleepsSince: number | null = null
  #isDead = false

  /** @param skewMs how far its wall clock is ahead of true time */
  constructor(timeline: Timeline, skewMs: number) {
    this.#timeline = timeline
    this.#skewMs = skewMs
    // Real monotonic clocks have fractions.
    this.#bootedAt = timeline.now - 1_000.25
  }

  now(): number {
    return this.#timeline.now + this.#skewMs
  }

  monotonic(): number {
    return (this.#sleepsSince ?? this.#timeline.now) - this.#bootedAt - this.#sleptMs
  }

  after(ms: number, callback: () => void): () => void {
    const dueAt = this.monotonic() + Math.max(0, ms)
    return this.#fireAt(dueAt, callback)
  }

  /** How far its wall clock is ahead of true time. */
  get skewMs(): number {
    return this.#skewMs
  }

  /** Sets the wall clock. */
  step(ms: number): void {
    this.#skewMs += ms
  }

  /** Suspends the process: nothing reaches it. If the machine sleeps, its monotonic clock stops, too. */
  pause(ms: number, sleeps: boolean): void {
    const { now } = this.#timeline
    this.#resumesAt = now + ms
    if (!sleeps) return
    this.#sleepsSince = now
    this.#timeline.at(this.#resumesAt, () => {
      this.#sleepsSince = null
      this.#sleptMs += ms
    })
  }

  get isPaused(): boolean {
    return this.#timeline.now < this.#resumesAt
  }

  /** Ends the process: nothing further happens in it. */
  end(): void {
    this.#isDead = true
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** Runs an event that reaches the process, once it can. */
  receive(run: () => unknown): unknown {
    if (this.#isDead) return
    if (!this.isPaused) return run()
    this.#timeline.at(this.#resumesAt, () => this.receive(run))
  }

  #fireAt(dueAt: number, callback: () => void): () => void {
    if (this.#isDead) return () => {}
    let isCancelled = false
    const look = (): unknown => {
      if (isCancelled || this.#isDead) return
      if (this.isPaused) return wait(this.#resumesAt - this.#timeline.now)
      const early = dueAt - this.monotonic()
      return early > 0 ? wait(early) : callback()
    }
    let cancel = () => {}
    const wait = (ms: number) => {
      cancel = this.#timeline.at(this.#timeline.now + Math.ceil(ms), look)
    }
    wait(dueAt - this.monotonic())
    return () => {
      isCancelled = true
      cancel()
    }
  }
}
