import { type Clock, systemClock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { steadyClock } from '../base/steady-clock.ts'
import { REPLAY_WINDOW_MS } from '../revocation/replay.ts'
import type { Revocation } from '../revocation/revocation.ts'
import type { RevocationStore } from '../revocation/store.ts'
import { progress } from '../revocation/transitions.ts'
import { pageOf, purgeAll } from './pages.ts'
import { sqliteChanges } from './sqlite/changes.ts'
import { asCurfewError, openDatabase } from './sqlite/database.ts'
import { GroupCommit } from './sqlite/group-commit.ts'
import { HeldUsers } from './sqlite/held-users.ts'
import { SqlitePermitLog } from './sqlite/permit-log.ts'
import { sqliteSessions } from './sqlite/sessions.ts'
import { sqliteStatements } from './sqlite/statements.ts'

/**
 * The embedded store: one process, one file at `path`, which is made if it is not there. See `RevocationStore` for what
 * each method promises.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export function openSqliteStore(
  path: string,
  clock: Clock = systemClock,
): RevocationStore & { permits: SqlitePermitLog } {
  const database = openDatabase(path)
  const sql = sqliteStatements(database)
  const changes = sqliteChanges(sql)
  const sessions = sqliteSessions(database)
  const commits = new GroupCommit(database)
  const held = new HeldUsers()
  const steady = steadyClock(clock)
  let broken = false
  let closed = false

  /** Writes in the next transaction and remembers whether that worked, for `check`. */
  async function write<T>(work: () => T, { mustSync = true } = {}): Promise<T> {
    try {
      const value = await commits.write(work, { mustSync })
      broken = false
      return value
    } catch (error) {
      broken ||= error instanceof CurfewError && error.code === 'CURFEW_STORE_UNAVAILABLE'
      throw error
    }
  }

  /** Reads outside of the writers' transactions. Asynchronous, so that a failure is always a rejection. */
  async function read<T>(work: () => T): Promise<T> {
    try {
      return work()
    } catch (error) {
      throw asCurfewError(error)
    }
  }

  /** What may be lost at a power cut, but not with the process: who runs, how far, and calls of the last minutes. */
  const note = <T>(work: () => T) => write(work, { mustSync: false })

  /** Changes a running revocation, and tells that it did; one that is no longer running is left alone. */
  function whileRunning(id: string, change: (running: Revocation) => void, keep = write): Promise<boolean> {
    return keep(() => {
      const revocation = sql.find(id)
      if (revocation?.status !== 'running') return false
      change(revocation)
      return true
    })
  }

  return {
    permits: new SqlitePermitLog(database, note, read),

    clock: () => ({ clock: steady.id(), offset: { earliest: 0, latest: 0 } }),

    accept: (signals, replay, now) => write(() => changes.accept(signals, replay, now)),

    claim: (request) => note(() => changes.claim(request)),

    claimConfirmations: (request) => note(() => changes.claimConfirmations(request)),

    measure: (ids, resolve) => write(() => changes.measure(ids, resolve)),

    nextDueAt: (now) => read(() => sql.nextDueAt(now)),

    async end(id, ending) {
      const hasEnded = await whileRunning(id, (running) => changes.end(running, ending))
      held.release(id)
      return hasEnded
    },

    async putBack(id, waiting) {
      await whileRunning(id, (running) => changes.putBack(running, waiting))
      held.release(id)
    },

    async holdUsers(id, userIds, urgency) {
      const running = await read(() => sql.find(id))
      return running?.status === 'running' && held.hold(running, userIds, urgency)
    },

    async progress(id, tokens) {
      await whileRunning(id, (running) => sql.save(progress(running, tokens)), note)
    },

    confirm: (id, confirmation) => write(() => changes.confirm(id, confirmation)),

    retry: (id, now) => write(() => changes.retry(id, now)),

    get: (id) => read(() => sql.find(id)),

    list: (query) => read(() => pageOf(sql.list({ ...query, limit: query.limit + 1 }), query.limit)),

    overtaken: () => read(() => [...new Set([...sql.overtaken(), ...held.displaced()])]),

    watch: () => {},

    recover: (now) => write(() => changes.recover(now)),

    noteSession: (of, session) => write(() => sessions.note(of, session)),

    findSession: (of, sid, now) => read(() => sessions.find(of, sid, now)),

    forgetSession: (of, sid) => write(() => sessions.forget(of, sid)),

    purge: (endedBefore, now) =>
      purgeAll(() =>
        write(() => sql.purgeSome(endedBefore, now - REPLAY_WINDOW_MS) + sessions.purgeSome(now)),
      ),

    backlog: () => read(() => sql.backlog()),

    async check() {
      if (broken) await write(() => sql.touch())
    },

    async close() {
      if (closed) return
      closed = true
      commits.close()
      database.close()
    },
  }
}
