import type { Clock } from '../../clock.ts'
import { ClockOffset } from '../../clock-offset.ts'
import { midpointOf } from '../../interval.ts'
import type { StoreClock } from '../../revocation/store.ts'
import { wallLead } from '../../steady-clock.ts'
import type { Query } from './database.ts'

/** The clock of the database, which all replicas share, as this process knows it. */
export class DatabaseClock {
  readonly #query: Query
  readonly #clock: Clock
  readonly #offset: ClockOffset

  constructor(query: Query, clock: Clock) {
    this.#query = query
    this.#clock = clock
    this.#offset = new ClockOffset(clock)
  }

  /** Reads it. To be called from time to time. */
  async measure(): Promise<void> {
    const note = this.#offset.begin()
    const [row] = await this.#query('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now')
    const now = Number(row?.now)
    note({ earliest: now, latest: now })
  }

  /** See `RevocationStore.clock`. */
  reading(): StoreClock | null {
    const offset = this.#offset.interval()
    return offset && { clock: 'database', offset }
  }

  /** A time on this process's wall clock, on the clock of the database; both in ms since the epoch. */
  toDatabase(at: number): number {
    return Math.round(at + this.#ahead())
  }

  /** The reverse. */
  fromDatabase(at: number): number {
    return Math.round(at - this.#ahead())
  }

  #ahead(): number {
    const offset = this.#offset.interval()
    return offset === null ? 0 : midpointOf(offset) - wallLead(this.#clock)
  }
}
