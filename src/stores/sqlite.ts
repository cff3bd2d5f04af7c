import { LONGEST_WAIT_MS } from '../backoff.ts'
import { CurfewError } from '../errors.ts'
import { join } from '../revocation/coalesce.ts'
import { uuidv7 } from '../revocation/id.ts'
import { newRevocation, type Revocation } from '../revocation/revocation.ts'
import { REASONS, type Reason, type Signal } from '../revocation/signal.ts'
import {
  type Accepted,
  REPLAY_WINDOW_MS,
  type ReplayKey,
  type RevocationStore,
  type Room,
  replayTime,
  type Waiting,
} from '../revocation/store.ts'
import { asCurfewError, openDatabase } from './sqlite/database.ts'
import { GroupCommit } from './sqlite/group-commit.ts'
import { SqlitePermitLog } from './sqlite/permit-log.ts'
import { sqliteSessions } from './sqlite/sessions.ts'
import { sqliteStatements } from './sqlite/statements.ts'

/**
 * The embedded store: one process, one file at `path`, which is made if it is not there. See `RevocationStore` for what
 * each method promises.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export function openSqliteStore(path: string): RevocationStore & { permits: SqlitePermitLog } {
  const database = openDatabase(path)
  const sql = sqliteStatements(database)
  const sessions = sqliteSessions(database)
  const commits = new GroupCommit(database)
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

  function acceptOne(signal: Signal): Revocation {
    const queued = sql.queuedOf(signal)
    if (queued) return sql.save(join(queued, signal))
    return sql.insert(newRevocation(uuidv7(signal.acceptedAt), signal))
  }

  function accept(signals: Signal[], replay: ReplayKey | null, now: number): Accepted {
    const earlier = replay && sql.replayOf(replay.key, now - REPLAY_WINDOW_MS)
    if (earlier && replay && earlier.fingerprint !== replay.fingerprint) {
      throw new CurfewError('CURFEW_IDEMPOTENCY_MISMATCH')
    }
    if (earlier) return { revocations: earlier.revocations, replayed: true }
    const revocations = signals.map(acceptOne)
    if (replay) sql.noteReplay(replay, revocations, replayTime(replay, now))
    return { revocations, replayed: false }
  }

  /** Each tenant's fair share of the room, so that many of one do not keep the others waiting. */
  function due(reason: Reason, now: number, { total, perTenant, exceptions }: Room): Revocation[] {
    if (total === 0) return []
    const roomOf = (tenant: string) => exceptions.get(tenant) ?? perTenant
    const tenants = sql.tenantsDue(reason, now).filter((tenant) => roomOf(tenant) > 0)
    const share = Math.max(1, Math.floor(total / tenants.length))
    return tenants
      .slice(0, total)
      .flatMap((tenant) => sql.due(reason, tenant, now, Math.min(share, roomOf(tenant))))
  }

  function putBack(running: Revocation, waiting: Waiting): void {
    const newer = sql.queuedOf(running)
    const older: Revocation = { ...running, ...waiting, status: 'queued' }
    if (!newer) {
      sql.save(older)
      return
    }
    sql.rejoin(newer.id, running.id)
    sql.remove(newer.id)
    sql.save(join(older, newer))
    sql.noteJoined(newer.id, running.id)
  }

  function retry(id: string): Revocation | null {
    const revocation = sql.find(id)
    if (!revocation || revocation.status === 'running') return revocation
    if (revocation.status === 'completed' && revocation.verified)
      throw new CurfewError('CURFEW_NOT_RETRYABLE')
    const queued = revocation.status === 'queued' ? null : sql.queuedOf(revocation)
    const renewed = { fruitless: 0, nextAttemptAt: null, failingSince: null }
    if (queued) return sql.save({ ...join(queued, revocation), ...renewed })
    return sql.save({ ...revocation, ...renewed, status: 'queued', outcome: null, completedAt: null })
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

    accept: (signals, replay, now) => write(() => accept(signals, replay, now)),

    claim({ now, room }) {
      return note(() =>
        REASONS.flatMap((reason) => due(reason, now, room[reason])).map((queued) =>
          sql.save({
            ...queued,
            status: 'running',
            attempts: queued.attempts + 1,
            startedAt: queued.startedAt ?? now,
            nextAttemptAt: null,
          }),
        ),
      )
    },

    nextDueAt: (now) => read(() => sql.nextDueAt(now)),

    complete: (id, completion) =>
      whileRunning(id, (running) =>
        sql.save({ ...running, ...completion, status: 'completed', error: null }),
      ),

    fail: (id, error, tokens, completedAt) =>
      whileRunning(id, (running) => sql.save({ ...running, status: 'failed', error, tokens, completedAt })),

    async putBack(id, waiting) {
      await whileRunning(id, (running) => putBack(running, waiting))
    },

    async progress(id, tokens) {
      await whileRunning(id, (running) => sql.save({ ...running, tokens }), note)
    },

    retry: (id) => write(() => retry(id)),

    get: (id) => read(() => sql.find(id)),

    list: (query) =>
      read(() => {
        const found = sql.list({ ...query, limit: query.limit + 1 })
        const items = found.slice(0, query.limit)
        return { items, nextCursor: found.length > items.length ? (items.at(-1)?.id ?? null) : null }
      }),

    overtaken: () => read(() => sql.overtaken()),

    watch: () => {},

    recover: (now) =>
      write(() => {
        sql.waitNoLongerThan(now, now + LONGEST_WAIT_MS)
        const running = sql.running()
        for (const revocation of running) putBack(revocation, { ...revocation, nextAttemptAt: null })
        return running.length
      }),

    noteSession: (of, session) => write(() => sessions.note(of, session)),

    findSession: (of, sid, now) => read(() => sessions.find(of, sid, now)),

    forgetSession: (of, sid) => write(() => sessions.forget(of, sid)),

    async purge(endedBefore, now) {
      let purged = 0
      for (;;) {
        const some = await write(
          () => sql.purgeSome(endedBefore, now - REPLAY_WINDOW_MS) + sessions.purgeSome(now),
        )
        if (some === 0) return purged
        purged += some
      }
    },

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
