import type { DatabaseSync } from 'node:sqlite'
import { type Clock, systemClock } from '../../base/clock.ts'
import { hasCode } from '../../base/errors.ts'
import { steadyClock } from '../../base/steady-clock.ts'
import { REPLAY_WINDOW_MS } from '../../revocation/replay.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import { progress } from '../../revocation/transitions.ts'
import { pageOf, purgeAll } from '../pages.ts'
import type { Store } from '../store.ts'
import { sqliteChanges } from './changes.ts'
import { asCurfewError, openDatabase } from './database.ts'
import { GroupCommit } from './group-commit.ts'
import { HeldUsers } from './held-users.ts'
import { SqlitePermitLog } from './permit-log.ts'
import { sqliteSessions } from './sessions.ts'
import { sqliteStatements } from './statements.ts'

/**
 * Opens the embedded store: one process, one file at `path`, which is created if it does not exist.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export function openSqliteStore(path: string, clock: Clock = systemClock): SqliteStore {
  return new SqliteStore(openDatabase(path), clock)
}

/**
 * The embedded store, in one SQLite file. `RevocationStore` documents what each method guarantees. The methods are arrow
 * properties, so that `Store` gives the types of their parameters, and they can be passed as callbacks.
 */
export class SqliteStore implements Store {
  readonly permits: SqlitePermitLog
  readonly #database: DatabaseSync
  readonly #sql: ReturnType<typeof sqliteStatements>
  readonly #changes: ReturnType<typeof sqliteChanges>
  readonly #sessions: ReturnType<typeof sqliteSessions>
  readonly #commits: GroupCommit
  readonly #held = new HeldUsers()
  readonly #steady: ReturnType<typeof steadyClock>
  #isBroken = false
  #isClosed = false

  constructor(database: DatabaseSync, clock: Clock) {
    this.#database = database
    this.#sql = sqliteStatements(database)
    this.#changes = sqliteChanges(this.#sql)
    this.#sessions = sqliteSessions(database)
    this.#commits = new GroupCommit(database)
    this.#steady = steadyClock(clock)
    this.permits = new SqlitePermitLog(
      database,
      (work) => this.#writeUnsynced(work),
      (work) => this.#read(work),
    )
  }

  clock: Store['clock'] = () => ({ clock: this.#steady.id(), offset: { earliest: 0, latest: 0 } })

  accept: Store['accept'] = (signals, replay, now) =>
    this.#write(() => this.#changes.accept(signals, replay, now))

  isReplay: Store['isReplay'] = (replay, now) => this.#read(() => this.#changes.isReplay(replay, now))

  claim: Store['claim'] = (request) => this.#writeUnsynced(() => this.#changes.claim(request))

  claimConfirmations: Store['claimConfirmations'] = (request) =>
    this.#writeUnsynced(() => this.#changes.claimConfirmations(request))

  measure: Store['measure'] = (ids, resolve) => this.#write(() => this.#changes.measure(ids, resolve))

  nextDueAt: Store['nextDueAt'] = (now) => this.#read(() => this.#sql.nextDueAt(now))

  end: Store['end'] = async (id, ending) => {
    const hasEnded = await this.#whileRunning(id, (running) => this.#changes.end(running, ending))
    this.#held.release(id)
    return hasEnded
  }

  putBack: Store['putBack'] = async (id, waiting) => {
    await this.#whileRunning(id, (running) => this.#changes.putBack(running, waiting))
    this.#held.release(id)
  }

  holdUsers: Store['holdUsers'] = async (id, userIds, urgency) => {
    const running = await this.#read(() => this.#sql.find(id))
    return running?.status === 'running' && this.#held.hold(running, userIds, urgency)
  }

  progress: Store['progress'] = async (id, tokens) => {
    const save = (running: Revocation) => this.#sql.save(progress(running, tokens))
    await this.#whileRunning(id, save, { mustSync: false })
  }

  confirm: Store['confirm'] = (id, confirmation) => this.#write(() => this.#changes.confirm(id, confirmation))

  retry: Store['retry'] = (id, now) => this.#write(() => this.#changes.retry(id, now))

  get: Store['get'] = (id) => this.#read(() => this.#sql.find(id))

  list: Store['list'] = (query) =>
    this.#read(() => pageOf(this.#sql.list({ ...query, limit: query.limit + 1 }), query.limit))

  overtaken: Store['overtaken'] = () =>
    this.#read(() => [...new Set([...this.#sql.overtaken(), ...this.#held.displaced()])])

  /** Notifies of nothing, because one process uses the file. */
  watch: Store['watch'] = () => {}

  recover: Store['recover'] = (now) => this.#write(() => this.#changes.recover(now))

  noteSession: Store['noteSession'] = (of, session) => this.#write(() => this.#sessions.note(of, session))

  findSession: Store['findSession'] = (of, sid, now) => this.#read(() => this.#sessions.find(of, sid, now))

  forgetSession: Store['forgetSession'] = (of, sid) => this.#write(() => this.#sessions.forget(of, sid))

  purge: Store['purge'] = (endedBefore, now) =>
    purgeAll(() =>
      this.#write(
        () => this.#sql.purgeSome(endedBefore, now - REPLAY_WINDOW_MS) + this.#sessions.purgeSome(now),
      ),
    )

  backlog: Store['backlog'] = () => this.#read(() => this.#sql.backlog())

  check: Store['check'] = async () => {
    if (this.#isBroken) await this.#write(() => this.#sql.touch())
  }

  close: Store['close'] = async () => {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#commits.close()
    this.#database.close()
  }

  /** Writes in the next transaction, and records for `check` whether that worked. */
  async #write<T>(work: () => T, { mustSync = true } = {}): Promise<T> {
    try {
      const value = await this.#commits.write(work, { mustSync })
      this.#isBroken = false
      return value
    } catch (error) {
      this.#isBroken ||= hasCode(error, 'CURFEW_STORE_UNAVAILABLE')
      throw error
    }
  }

  /** For writes that a power failure may lose, but not the end of the process: claims, progress and recent calls. */
  #writeUnsynced<T>(work: () => T): Promise<T> {
    return this.#write(work, { mustSync: false })
  }

  /** Reads outside of the writers' transactions. Asynchronous, so that a failure is always a rejection. */
  async #read<T>(work: () => T): Promise<T> {
    try {
      return work()
    } catch (error) {
      throw asCurfewError(error)
    }
  }

  /** Changes a revocation if it is running. @returns whether it was */
  #whileRunning(
    id: string,
    change: (running: Revocation) => void,
    durability?: { mustSync: boolean },
  ): Promise<boolean> {
    return this.#write(() => {
      const revocation = this.#sql.find(id)
      if (revocation?.status !== 'running') return false
      change(revocation)
      return true
    }, durability)
  }
}
