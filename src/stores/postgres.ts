import { CurfewError } from '../errors.ts'
import type { Log } from '../log.ts'
import { REPLAY_WINDOW_MS, type RevocationStore, type Watcher } from '../revocation/store.ts'
import { type AcceptRequest, acceptTogether } from './postgres/accept.ts'
import { Batches } from './postgres/batches.ts'
import { retry } from './postgres/changes.ts'
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
  /** ms since the epoch: how long a time that comes from the worker is away. */
  now: () => number
  log: Log
}

/**
 * The store for several replicas, in PostgreSQL; pg-boss carries the work. See `RevocationStore` for what each method
 * promises, and `docs/architecture.md` for how a row and its job agree.
 * @throws CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function openPostgresStore(
  url: string,
  { connections, now, log }: PostgresStoreOptions,
): Promise<RevocationStore & { permits: PostgresPermits }> {
  const database = new PostgresDatabase(url, connections)
  const listener = new PostgresListener(url)
  let watcher: Watcher = { onWork: () => {}, onEnded: () => {} }
  const onWork = () => watcher.onWork()
  const jobs = new PostgresJobs(database, listener, { log, onWork })
  const sql = postgresStatements(database.query)
  const sessions = postgresSessions(database.query)
  const history = postgresHistory(database.query)
  const runs = new PostgresRuns({ database, jobs, now, log })
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
  let timer: NodeJS.Timeout | undefined

  async function beat(): Promise<void> {
    try {
      await runs.beat()
    } catch (error) {
      log.warn({ err: error }, 'the database did not take the heartbeat; will try again')
    }
    onWork()
    if (!closed) timer = setTimeout(beat, BEAT_EVERY_MS)
  }

  listener.on(ENDED_CHANNEL, (key) => watcher.onEnded(key))
  listener.on(PARKED_CHANNEL, onWork)
  try {
    await migrate(url, () => jobs.start())
    await listener.open()
  } catch (error) {
    await jobs.stop()
    await database.close()
    throw error
  }
  timer = setTimeout(beat, BEAT_EVERY_MS)

  return {
    permits: new PostgresPermits(database.query),

    async accept(signals, replay, now) {
      const result = await accepts.ask({ signals, replay, now })
      if (!result.ok) throw result.error
      return result.accepted
    },

    claim: (request) => runs.claim(request),

    nextDueAt: (now) => sql.nextDueAt(now),

    complete: (id, completion) => runs.end(id, (own) => ({ ...own, status: 'completed', ...completion })),

    fail: (id, error, tokens, completedAt) =>
      runs.end(id, (own) => ({ ...own, status: 'failed', error, tokens, completedAt })),

    putBack: (id, waiting) => runs.putBack(id, waiting),

    progress: (id, tokens) => runs.progress(id, tokens),

    retry: (id) => database.transaction((query) => retry(query, jobs, id)),

    get: (id) => sql.find(id),

    async list(query) {
      const found = await history.list({ ...query, limit: query.limit + 1 })
      const items = found.slice(0, query.limit)
      return { items, nextCursor: found.length > items.length ? (items.at(-1)?.id ?? null) : null }
    },

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

    async purge(endedBefore, now) {
      let purged = 0
      for (;;) {
        const some =
          (await history.purgeSome(endedBefore, now - REPLAY_WINDOW_MS)) + (await sessions.purgeSome(now))
        if (some === 0) return purged
        purged += some
      }
    },

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
      clearTimeout(timer)
      await jobs.stop()
      await listener.close()
      await database.close()
    },
  }
}
