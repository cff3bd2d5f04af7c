import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Clock } from '../../base/clock.ts'
import { type BrakeLimits, MassBrake, type NamedUsers } from '../../revocation/mass-brake.ts'
import type { Companion } from './group-commit.ts'

const PURGED_AT_ONCE = 500

/** A sender has named its users even if its signals are rolled back. */
const NOTHING_TO_UNDO = () => {}

/**
 * The brake on mass revocation, and the table of the users that senders have named recently, so that a restart does not
 * forget them. They are written once per transaction, with the signals that named them.
 */
export class SqliteBrake implements Companion {
  readonly brake: MassBrake
  readonly #database: DatabaseSync
  readonly #windowMs: number
  readonly #clock: Clock
  readonly #insert: StatementSync
  #unsaved: readonly NamedUsers[] = []

  constructor(database: DatabaseSync, limits: BrakeLimits, clock: Clock) {
    this.brake = new MassBrake(limits)
    this.#database = database
    this.#windowMs = limits.windowMs
    this.#clock = clock
    this.#insert = database.prepare('INSERT INTO named_users (at, sender, users) VALUES (?, ?, ?)')
  }

  begin(): () => void {
    return NOTHING_TO_UNDO
  }

  beforeCommit(): void {
    this.#unsaved = this.brake.unsaved()
    for (const { sender, users } of this.#unsaved) this.#insert.run(this.#clock.now(), sender, users)
  }

  afterCommit(): void {
    this.brake.saved(this.#unsaved)
  }

  afterFailure(): void {}

  /** Reads what an earlier process has stored. */
  load(now: number): void {
    const all = this.#database.prepare('SELECT at, sender, users FROM named_users WHERE at > ? ORDER BY at')
    for (const { at, sender, users } of all.iterate(now - this.#windowMs)) {
      if (users instanceof Uint8Array)
        this.brake.learn(
          { sender: String(sender), users: Buffer.from(users) },
          Math.min(Number(at), now),
          now,
        )
    }
  }

  /** Deletes a limited number of old rows in the caller's transaction, and returns their number. */
  purgeSome(now: number): number {
    const { changes } = this.#database
      .prepare(
        `DELETE FROM named_users WHERE rowid IN (SELECT rowid FROM named_users WHERE at < ? LIMIT ${PURGED_AT_ONCE})`,
      )
      .run(now - this.#windowMs)
    return Number(changes)
  }
}
