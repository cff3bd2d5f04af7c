import type { Clock } from '../../base/clock.ts'
import { ClockOffset } from '../../base/clock-offset.ts'
import { midpointOf } from '../../base/interval.ts'
import type { StoreClock } from '../../revocation/store.ts'
import type { Query } from './database.ts'

/** The clock of the database, which all replicas share, as this process knows it. */
export class DatabaseClock {
  readonly #query: Query
  readonly #clock: Clock
  readonly #now: () => number
  readonly #offset: ClockOffset
  /** Its lead over our monotonic clock when it was measured last: setting our wall clock does not change that. */
  #lead: number | null = null

  /** @param now this process's time, which never goes back (`steadyNow`): that of the times to be converted */
  constructor(query: Query, clock: Clock, now: () => number) {
    this.#query = query
    this.#clock = clock
    this.#now = now
    this.#offset = new ClockOffset(clock)
  }

  /** Reads it. To be called from time to time. */
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

  /** A time of this process, on the clock of the database; both in ms since the epoch. */
  toDatabase(at: number): number {
    return Math.round(at + this.#ahead())
  }

  /** The reverse. */
  fromDatabase(at: number): number {
    return Math.round(at - this.#ahead())
  }

  #ahead(): number {
    return this.#lead === null ? 0 : this.#lead - (this.#now() - this.#clock.monotonic())
  }
}
