import { randomUUID } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { type BrakeLimits, MassBrake, type NamedUsers, type Verdict } from '../../revocation/mass-brake.ts'
import type { Origin } from '../../revocation/origin.ts'
import type { Signal } from '../../revocation/signal.ts'
import { APPLICATION, type Query, VERSION } from './database.ts'

const NOW = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint'
/** A transaction can become visible this long after the time of its rows. */
const LATE_MS = 5_000
/** A replica of an earlier version that lost its connections connects again within this time. */
const RECONNECTS_WITHIN_MS = 30_000
const PURGED_AT_ONCE = 500

/**
 * The brake on mass revocation for several replicas. Each counts by itself, stores the users with the signals that named
 * them, and reads those of the others once per second. No replica waits for another one; in return, a sender that uses
 * all of them can exceed the limit by what it names in a second.
 */
export class PostgresBrake {
  readonly #brake: MassBrake
  readonly #limits: BrakeLimits
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>
  readonly #writer = randomUUID()
  #readUntil = 0
  /** When a replica of an earlier version was last connected; monotonic. */
  #earlierAt = Number.NEGATIVE_INFINITY

  constructor(limits: BrakeLimits, clock: Pick<Clock, 'now' | 'monotonic'>) {
    this.#brake = new MassBrake(limits)
    this.#limits = limits
    this.#clock = clock
  }

  /** Whether no replica of an earlier version is connected, which could not read held revocations. */
  get isUpgradeComplete(): boolean {
    return this.#clock.monotonic() - this.#earlierAt >= RECONNECTS_WITHIN_MS
  }

  judge(origin: Origin | undefined, signal: Signal, now: number): Verdict {
    return this.#brake.judge(origin, signal, now)
  }

  /** Stores the named users in the caller's transaction. Pass the result to `saved` after the commit. */
  async save(query: Query): Promise<readonly NamedUsers[]> {
    const unsaved = this.#brake.unsaved()
    if (unsaved.length === 0) return []
    const rows = unsaved.map(({ sender, users }) => ({ sender, users: users.toString('base64') }))
    await query(
      `INSERT INTO curfew.named_users (at, writer, sender, users)
       SELECT ${NOW}, $1, sender, decode(users, 'base64') FROM json_to_recordset($2) AS v (sender text, users text)`,
      [this.#writer, JSON.stringify(rows)],
    )
    return unsaved
  }

  saved(all: readonly NamedUsers[]): void {
    this.#brake.saved(all)
  }

  /** Reads what other processes have stored since the last call, and looks for replicas of earlier versions. */
  async read(query: Query): Promise<void> {
    if (this.#limits.users > 0) await this.#learn(query)
    if (await hasEarlierReplica(query)) this.#earlierAt = this.#clock.monotonic()
  }

  async #learn(query: Query): Promise<void> {
    const found = await query(
      `SELECT sender, users, at, read.now FROM (SELECT ${NOW} AS now) AS read
       LEFT JOIN curfew.named_users ON at > greatest($1, read.now - $2) AND writer <> $3 ORDER BY at`,
      [this.#readUntil - LATE_MS, this.#limits.windowMs, this.#writer],
    )
    // The clock of `judge`: each change from one clock to another would shift the times of all users.
    const now = this.#clock.now()
    for (const { sender, users, at, now: databaseNow } of found) {
      this.#readUntil = Number(databaseNow)
      if (!Buffer.isBuffer(users)) continue
      this.#brake.learn({ sender: String(sender), users }, now - (Number(databaseNow) - Number(at)), now)
    }
  }

  /** Deletes a limited number of old rows, and returns their number. */
  async purgeSome(query: Query): Promise<number> {
    const purged = await query(
      `DELETE FROM curfew.named_users WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM curfew.named_users WHERE at < ${NOW} - $1 LIMIT ${PURGED_AT_ONCE} FOR UPDATE SKIP LOCKED))
       RETURNING 1`,
      [this.#limits.windowMs + LATE_MS],
    )
    return purged.length
  }
}

/** Whether a replica of an earlier version is connected. Each version names itself; the first ones had no number. */
export async function hasEarlierReplica(query: Query): Promise<boolean> {
  const [found] = await query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND CASE WHEN application_name ~ $1
       THEN coalesce(nullif(split_part(application_name, ' ', 2), ''), '0')::integer < $2 ELSE false END LIMIT 1`,
    [`^${APPLICATION}( \\d{1,6})?$`, VERSION],
  )
  return found !== undefined
}
