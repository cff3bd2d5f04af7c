import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { Condition } from './condition.ts'
import { asRefusal, corruption, type Damage } from './damage.ts'
import { asCurfewError } from './errors.ts'
import { FileIdentity } from './file-identity.ts'
import { type Companion, GroupCommit, type WriteOptions } from './group-commit.ts'
import { ADVICE, LaterCheck } from './later-check.ts'
import { Reserve, sizeOf } from './reserve.ts'
import { verifyDatabase } from './verify.ts'

const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} }

export interface TransactionsOptions {
  /** Absolute. */
  path: string
  companion: Companion
  clock: Clock
  /** With a log, the files are watched, and damage is logged as it occurs. */
  log: Log | undefined
  /** What the check at the start found. */
  found: Damage | null
  /** If false, the database is checked in the background. */
  isChecked: boolean
}

/** Reads and writes the database, and refuses what it might not keep. */
export class Transactions {
  readonly #commits: GroupCommit
  readonly #condition: Condition
  #check: LaterCheck | null = null
  #lastKept = 0

  constructor(database: DatabaseSync, options: TransactionsOptions) {
    const { path, companion, clock, log = SILENT, found, isChecked } = options
    this.#commits = new GroupCommit(database, companion)
    const files = new FileIdentity(path)
    const reserve = new Reserve(path)
    const verify = () => {
      this.#check?.stop()
      return verifyDatabase(database, () => reserve.take(sizeOf(`${path}-wal`)))
    }
    this.#condition = new Condition({ files, verify, onFailure: () => reserve.release(), clock, log }, found)
    if (!found) reserve.take()
    if (options.log) this.#condition.watch()
    const onFinding = (finding: string) => this.#condition.noteDamage(corruption(finding))
    try {
      if (!isChecked) this.#check = new LaterCheck(database, { path, clock, log, onFinding })
    } catch (error) {
      // The disk may be full, or no process can be started.
      log.warn({ err: error, action: ADVICE }, 'the whole database could not be checked')
      this.#condition.note(asCurfewError(error))
    }
  }

  /**
   * For writes that callers rely on once they are acknowledged. The files are checked before and after each transaction:
   * what is written to a removed file is lost.
   */
  async keep<T>(work: () => T, { isRepeatable = false } = {}): Promise<T> {
    if (!this.#commits.hasPending) this.#condition.require()
    const value = await this.write(work, { mustSync: true, isRepeatable })
    if (this.#lastKept !== this.#commits.committed) this.#condition.require()
    this.#lastKept = this.#commits.committed
    return value
  }

  /** Writes in the next transaction. A failure counts until the whole database was checked. */
  async write<T>(work: () => T, options: WriteOptions = { mustSync: true }): Promise<T> {
    try {
      return await this.#commits.write(work, options)
    } catch (error) {
      this.#condition.note(error)
      throw error
    }
  }

  /** For writes that a power failure may lose, but not the end of the process: claims, progress and recent calls. */
  writeUnsynced<T>(work: () => T): Promise<T> {
    return this.write(work, { mustSync: false })
  }

  /** Reads outside of the writers' transactions. Asynchronous, so that a failure is always a rejection. */
  async read<T>(work: () => T): Promise<T> {
    try {
      return work()
    } catch (error) {
      const failure = asCurfewError(error)
      this.#condition.note(failure)
      throw failure
    }
  }

  /** @throws CURFEW_STORE_UNAVAILABLE if the store is damaged */
  check(): void {
    const damage = this.#condition.look()
    if (damage) throw asRefusal(damage)
  }

  close(): void {
    this.#check?.stop()
    this.#condition.close()
    this.#commits.close()
  }
}
