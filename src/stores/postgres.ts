import { type Clock, steadyNow } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { REPLAY_WINDOW_MS } from '../revocation/replay.ts'
import type { RevocationStore, Watcher } from '../revocation/store.ts'
import { pageOf, purgeAll } from './pages.ts'
import { type AcceptRequest, acceptTogether } from './postgres/accept.ts'
import { Batches } from './postgres/batches.ts'
import { measure, retry } from './postgres/changes.ts'
import { DatabaseClock } from './postgres/clock.ts'
import { PostgresConfirmations } from './postgres/confirmations.ts'
import { PostgresDatabase } from './postgres/database.ts'
import { postgresHistory } from './postgres/history.ts'
import { PostgresJobs } from './postgres/jobs.ts'
import { PostgresListener } from './postgres/listener.ts'
import { migrate } from './postgres/migrations.ts'
import { PostgresPermits } from './postgres/permits.ts'
import { PostgresRuns } from './postgres/runs.ts'
import { postgresSessions, type SessionChange } from './postgres/sessions.ts'
import { ENDED_CHANNEL, PARKED_CHANNEL, postgresStatements } from './postgres/statements.ts'

/**
 * How often this process says that it lives, and looks for what no notification tells: what others have lost. With the
 * 10 s after which a process counts as dead and the 1 s in which that is noticed, others go on within 12 s.
 */
const BEAT_EVERY_MS = 1_000
const ACCEPTED_AT_ONCE = 200
/** The largest request, and those of one signal beside it: more would keep all of them, and the rows, for seconds. */
const SIGNALS_AT_ONCE = 1_000 + ACCEPTED_AT_ONCE
const SESSIONS_AT_ONCE = 500

export interface PostgresStoreOptions {
  /** Connections open at most, besides the one that listens. */
  connections: number
  clock: Clock
  log: Log
}

/**
 * The store for several replicas, in PostgreSQL; pg-boss carries the work. See `RevocationStore` for what each method
 * promises, and `docs/decisions/0003-two-stores-one-contract.md` for how a row and its job agree.
 * @throws CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function openPostgresStore(
  url: string,
  { connections, clock, log }: PostgresStoreOptions,
): Promise<RevocationStore & { permits: PostgresPermits }> {
  const database = new PostgresDatabase(url, connections)
  const listener = new PostgresListener(url)
  // As the worker's: the times that it hands over are compared with it.
  const now = steadyNow(clock)
  const databaseClock = new DatabaseClock(database.query, clock, now)
  let watcher: Watcher = { onWork: () => {}, onEnded: () => {} }
  const onWork = () => watcher.onWork()
  const jobs = new PostgresJobs(database, listener, { log, onWork })
  const sql = postgresStatements(database.query)
  const sessions = postgresSessions(database.query)
  const history = postgresHistory(database.query)
  const runs = new PostgresRuns({ database, databaseClock, jobs, now, log })
  const confirmations = new PostgresConfirmations({ database, databaseClock, jobs, now })
  const accepts = new Batches({
    run: (requests: readonly AcceptRequest[]) =>
      database.transaction((query) => acceptTogether(query, jobs, requests)),
    concurrency: 2,
    largest: ACCEPTED_AT_ONCE,
    fits: ({ replay, signals }, batch) =>
      batch.length === 0 ||
      (batch.every((other) => !replay || other.replay?.key !== replay.key) &&
        batch.reduce((sum, other) => sum + other.signals.length, signals.length) <= SIGNALS_AT_ONCE),
  })
  const sessionChanges = new Batches({
    run: async (changes: readonly SessionChange[]) => {
      await database.transaction((query) => postgresSessions(query).change(changes))
      return changes.map(() => null)
    },
    // One after the other, so that what comes last counts.
    concurrency: 1,
    largest: SESSIONS_AT_ONCE,
  })
  let closed = false
  let cancelTimer = () => {}

  async function beat(): Promise<void> {
    try {
      await Promise.all([runs.beat(), databaseClock.measure()])
    } catch (error) {
      log.warn({ err: error }, 'the database did not take the heartbeat; will try again')
    }
    onWork()
    if (!closed) cancelTimer = clock.after(BEAT_EVERY_MS, beat)
  }

  listener.on(ENDED_CHANNEL, (key) => watcher.onEnded(key))
  listener.on(PARKED_CHANNEL, onWork)
  try {
    await migrate(url, () => jobs.start())
    await databaseClock.measure()
    await listener.open()
  } catch (error) {
    await jobs.stop()
    await database.close()
    throw error
  }
  cancelTimer = clock.after(BEAT_EVERY_MS, beat)

  return {
    permits: new PostgresPermits(database.query),

    clock: () => databaseClock.reading(),

    async accept(signals, replay, now) {
      const result = await accepts.ask({ signals, replay, now })
      if (!result.ok) throw result.error
      return result.accepted
    },

    claim: (request) => runs.claim(request),

    claimConfirmations: (request) => confirmations.claim(request),

    measure: (ids, resolve) => database.transaction((query) => measure(query, ids, resolve)),

    async nextDueAt(now) {
      const dueAt = await Promise.all([sql.nextDueAt(now), confirmations.nextDueAt(now)])
      const times = dueAt.filter((at) => at !== null)
      return times.length > 0 ? Math.min(...times) : null
    },

    end: (id, ending) => runs.end(id, ending),

    putBack: (id, waiting) => runs.putBack(id, waiting),

    progress: (id, tokens) => runs.progress(id, tokens),

    holdUsers: (id, userIds, urgency) => runs.holdUsers(id, userIds, urgency),

    confirm: (id, confirmation) => confirmations.confirm(id, confirmation),

    retry: (id, now) => database.transaction((query) => retry(query, jobs, id, now)),

    get: (id) => sql.find(id),

    list: async (query) => pageOf(await history.list({ ...query, limit: query.limit + 1 }), query.limit),

    overtaken: () => runs.overtaken(),

    watch: (told) => {
      watcher = told
    },

    // What another process left running is claimed again when it has not been heard of for a while.
    recover: async () => 0,

    async noteSession(of, session) {
      await sessionChanges.ask({ of, sid: session.sid, session })
    },

    findSession: sessions.find,

    async forgetSession(of, sid) {
      await sessionChanges.ask({ of, sid, session: null })
    },

    purge: (endedBefore, now) =>
      purgeAll(
        async () =>
          (await history.purgeSome(endedBefore, now - REPLAY_WINDOW_MS)) + (await sessions.purgeSome(now)),
      ),

    backlog: () => history.backlog(),

    async check() {
      const [state] = await database.query(
        `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS is_read_only`,
      )
      if (state?.is_read_only !== false) {
        throw new CurfewError('CURFEW_STORE_UNAVAILABLE', 'The database can only be read.')
      }
    },

    async close() {
      if (closed) return
      closed = true
      cancelTimer()
      await jobs.stop()
      await listener.close()
      await database.close()
    },
  }
}
