import type { Clock } from './clock.ts'
import { type Interval, intersect, widen } from './interval.ts'
import { LARGEST_DIVERGENCE_MS, wallLead } from './steady-clock.ts'

/**
 * How fast two clocks may drift apart: 100 ppm, 360 ms in an hour. Undisciplined quartz clocks stay below it; RFC 5905,
 * section 11.2.1, assumes 15 ppm for disciplined ones.
 */
export const DRIFT = 100e-6
/** At this age, drift alone makes a sample uncertain by 3.6 s; with the 1 s resolution of `Date` it is nearly 5 s. */
const USABLE_FOR_MS = 5 * 60 * 60_000

/** The offset, when it was measured (monotonic), and how far the local wall clock led the monotonic clock then. */
interface Measured {
  offset: Interval
  at: number
  lead: number
}

/**
 * Estimates how far another clock (a tenant's or a database's) is ahead of this process's monotonic clock, from
 * readings of that clock during exchanges. Each exchange bounds the offset; several together bound it more tightly. The
 * bounds hold if that clock drifts less than `DRIFT`.
 */
export class ClockOffset {
  readonly #clock: Clock
  #measured: Measured | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Begins an exchange. Call it just before the request is sent. When the response headers arrive, call the returned
   * function with the reading of the other clock.
   */
  begin(): (reading: Interval) => void {
    const sentAt = this.#clock.monotonic()
    const lead = wallLead(this.#clock)
    return (reading) => {
      const receivedAt = this.#clock.monotonic()
      // The other clock was read at some time between sending and receiving.
      const sample = { earliest: reading.earliest - receivedAt, latest: reading.latest - sentAt }
      this.#note({ offset: sample, at: sentAt, lead })
    }
  }

  /**
   * The other clock minus `Clock.monotonic`, from all recent exchanges. Null if there are none, if the last one is
   * older than 5 hours, or if the local wall clock and monotonic clock have diverged since (the machine slept, or the
   * clock was set).
   */
  interval(): Interval | null {
    return this.#measured && this.#asOfNow(this.#measured)
  }

  #note(sample: Measured): void {
    const offset = this.#asOfNow(sample)
    if (offset === null) return
    const known = this.interval()
    // If the sample contradicts earlier ones, one of the clocks was set: only the sample is current.
    const agreed = (known && intersect(known, offset)) ?? offset
    this.#measured = { offset: agreed, at: this.#clock.monotonic(), lead: wallLead(this.#clock) }
  }

  #asOfNow({ offset, at, lead }: Measured): Interval | null {
    const age = this.#clock.monotonic() - at
    const divergence = Math.abs(wallLead(this.#clock) - lead)
    if (age > USABLE_FOR_MS || divergence > LARGEST_DIVERGENCE_MS) return null
    return widen(offset, age * DRIFT + divergence)
  }
}
