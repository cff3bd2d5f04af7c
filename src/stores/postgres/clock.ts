import type { Clock } from '../../base/clock.ts'
import { ClockOffset } from '../../base/clock-offset.ts'
import { midpointOf } from '../../base/interval.ts'
import type { StoreClock } from '../../revocation/store.ts'
import type { Query } from './database.ts'

/** This process's estimate of the database clock, which all replicas share. */
export class DatabaseClock {
  readonly #query: Query
  readonly #clock: Clock
  readonly #now: () => number
  readonly #offset: ClockOffset
  /** Its last measured lead over the local monotonic clock. Setting the local wall clock does not change it. */
  #lead: number | null = null

  /** @param now the process's `steadyNow`, which the converted times come from */
  constructor(query: Query, clock: Clock, now: () => number) {
    this.#query = query
    this.#clock = clock
    this.#now = now
    this.#offset = new ClockOffset(clock)
  }

  /** Measures the offset of the database clock. Call it periodically. */
  async measure(): Promise<void> {
    const note = this.#offset.begin()
    const [row] = await this.#query('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now')
    const now = Number(row?.now)
    note({ earliest: now, latest: now })
    const offset = this.#offset.interval()
    if (offset) this.#lead = midpointOf(offset)
  }

  /** See `RevocationStore.clock`. */
  reading(): StoreClock | null {
    const offset = this.#offset.interval()
    return offset && { clock: 'database', offset }
  }

  /** Converts a time of this process to the database clock; both in ms since the epoch. */
  toDatabase(at: number): number {
    return Math.round(at + this.#ahead())
  }

  /** Converts a time on the database clock to this process's time; both in ms since the epoch. */
  fromDatabase(at: number): number {
    return Math.round(at - this.#ahead())
  }

  #ahead(): number {
    return this.#lead === null ? 0 : this.#lead - (this.#now() - this.#clock.monotonic())
  }
}
