import type { Clock } from './clock.ts'
import { type Interval, intersect, widen } from './interval.ts'
import { LARGEST_DIVERGENCE_MS, wallLead } from './steady-clock.ts'

/**
 * How fast two clocks may drift apart: 100 ppm, 360 ms in an hour. Undisciplined quartz clocks stay below it; RFC 5905,
 * section 11.2.1, assumes 15 ppm for disciplined ones.
 */
export const DRIFT = 100e-6
/** By drift alone an older sample leaves more than 3.6 s unknown, and nearly 5 s with the second that a `Date` leaves. */
const USABLE_FOR_MS = 5 * 60 * 60_000

/** What is known, when it was measured (monotonic), and how far our wall clock was ahead of the monotonic one then. */
interface Measured {
  offset: Interval
  at: number
  lead: number
}

/**
 * How far another clock (a tenant's, a database's) is ahead of this process's monotonic clock, from what that clock read
 * during exchanges. Certain as long as that clock drifts less than `DRIFT`: each exchange alone bounds the offset, and
 * several together bound it more tightly.
 */
export class ClockOffset {
  readonly #clock: Clock
  #measured: Measured | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Begins an exchange: call it just before the request is sent. Call what it returns when the answer arrives, before its
   * body, with what the other clock read in between.
   */
  begin(): (reading: Interval) => void {
    const sentAt = this.#clock.monotonic()
    const lead = wallLead(this.#clock)
    return (reading) => {
      const receivedAt = this.#clock.monotonic()
      // The other clock was read somewhere between sending and receiving.
      const sample = { earliest: reading.earliest - receivedAt, latest: reading.latest - sentAt }
      this.#note({ offset: sample, at: sentAt, lead })
    }
  }

  /**
   * The other clock minus `Clock.monotonic`, by all recent exchanges together; null while there are none, when the last one
   * is older than 5 hours, and when wall clock and monotonic clock have diverged since (the machine slept, or somebody set
   * the clock).
   */
  interval(): Interval | null {
    return this.#measured && this.#asOfNow(this.#measured)
  }

  #note(sample: Measured): void {
    const offset = this.#asOfNow(sample)
    if (offset === null) return
    const known = this.interval()
    // Where the sample contradicts what is known, one of the clocks was set: only the sample is of now.
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
