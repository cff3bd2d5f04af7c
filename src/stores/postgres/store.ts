import { steadyNow } from '../../base/clock.ts'
import { CurfewError } from '../../base/errors.ts'
import type { AuditLog } from '../../revocation/audit/audit-log.ts'
import { NO_BRAKE } from '../../revocation/mass-brake.ts'
import { Outbox } from '../../revocation/outbox.ts'
import { REPLAY_WINDOW_MS, requireSameRequest } from '../../revocation/replay.ts'
import type { NotificationStore } from '../../revocation/store/notification-store.ts'
import type { Watcher } from '../../revocation/store.ts'
import { memberSince, readBatch } from '../batch-reading.ts'
import { countFailures, failureCodes } from '../failure-reading.ts'
import { purgeAll } from '../purge-all.ts'
import type { Store, StoreOptions } from '../store.ts'
import { readVerified } from '../verified.ts'
import { acceptBatches } from './accept.ts'
import { postgresAudit } from './audit.ts'
import { POSTGRES_AUDIT } from './audit-reading.ts'
import { PostgresAuditWriting } from './audit-writing.ts'
import { PostgresBrake } from './brake.ts'
import { measure, retry, withdraw } from './changes.ts'
import { DatabaseClock } from './clock.ts'
import { PostgresConfirmations } from './confirmations.ts'
import { PostgresDatabase, UNSYNCED } from './database.ts'
import { Heartbeat } from './heartbeat.ts'
import { cancel, release } from './held.ts'
import { POSTGRES_FAILURES, POSTGRES_VERIFIED, postgresHistory } from './history.ts'
import { PostgresJobs } from './jobs.ts'
import { PostgresListener } from './listener.ts'
import { migrate } from './migrations.ts'
import { postgresNotifications } from './notifications.ts'
import { PostgresPermits } from './permits.ts'
import { prepareTables } from './prepare-tables.ts'
import { probe } from './probe.ts'
import { postgresQueue } from './queue.ts'
import { PostgresRuns } from './runs.ts'
import { postgresSessions, sessionBatches } from './sessions.ts'
import { sizedStatements } from './sized.ts'
import { ENDED_CHANNEL, PARKED_CHANNEL, postgresStatements, WITHDRAWN_CHANNEL } from './statements.ts'
import { Writes } from './writes.ts'

/**
 * Opens the store for several replicas, in PostgreSQL.
 * @throws CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function openPostgresStore(url: string, options: StoreOptions): Promise<PostgresStore> {
  const store = new PostgresStore(url, options)
  await store.open()
  return store
}

/**
 * The store for several replicas; pg-boss carries the work. `RevocationStore` documents what each method guarantees, and
 * `docs/decisions/0003-two-stores-one-contract.md` how a row and its job stay consistent. The methods are arrow
 * properties, so that `Store` gives the types of their parameters, and they can be passed as callbacks.
 */
export class PostgresStore implements Store {
  readonly permits: PostgresPermits
  readonly audit: AuditLog
  readonly notifications: NotificationStore
  readonly #url: string
  readonly #database: PostgresDatabase
  readonly #trail: PostgresAuditWriting
  readonly #listener: PostgresListener
  readonly #databaseClock: DatabaseClock
  readonly #jobs: PostgresJobs
  readonly #sql: ReturnType<typeof postgresStatements>
  readonly #sessions: ReturnType<typeof postgresSessions>
  readonly #sized: ReturnType<typeof sizedStatements>
  readonly #history: ReturnType<typeof postgresHistory>
  readonly #runs: PostgresRuns
  readonly #confirmations: PostgresConfirmations
  readonly #brake: PostgresBrake
  readonly #accepts: ReturnType<typeof acceptBatches>
  readonly #writes: Writes
  readonly #heartbeat: Heartbeat
  readonly #sessionChanges: ReturnType<typeof sessionBatches>
  #watcher: Watcher = { onWork: () => {}, onEnded: () => {} }
  #isClosed = false

  constructor(url: string, options: StoreOptions) {
    const {
      connections,
      clock,
      log,
      audit = true,
      massRevocation = NO_BRAKE,
      outbox = new Outbox(),
    } = options
    this.#url = url
    const writes = new Writes({ probe: () => probe(this.#database, this.#jobs, clock.now()), log })
    this.#writes = writes
    const database = new PostgresDatabase(url, connections, (error) => writes.failed(error))
    this.#database = database
    this.#trail = new PostgresAuditWriting(database, audit, outbox)
    this.audit = postgresAudit(database, this.#trail)
    this.notifications = postgresNotifications(database)
    this.#listener = new PostgresListener(url)
    // The worker compares the times of this store with the same clock.
    const now = steadyNow(clock)
    const databaseClock = new DatabaseClock(database.query, clock, now)
    this.#databaseClock = databaseClock
    const jobs = new PostgresJobs(database, this.#listener, { log, onWork: () => this.#watcher.onWork() })
    this.#jobs = jobs
    this.#sql = postgresStatements(database.query)
    this.#sessions = postgresSessions(database.query)
    this.#history = postgresHistory(database.query)
    this.#sized = sizedStatements(database.query)
    this.#runs = new PostgresRuns({
      database,
      audit: this.#trail,
      databaseClock,
      jobs,
      sized: this.#sized,
      now,
      log,
    })
    this.#confirmations = new PostgresConfirmations({
      database,
      audit: this.#trail,
      databaseClock,
      jobs,
      now,
    })
    this.#brake = new PostgresBrake(massRevocation, clock)
    this.#accepts = acceptBatches(this.#trail, jobs, this.#brake)
    this.#sessionChanges = sessionBatches(this.#trail, () => clock.now())
    this.permits = new PostgresPermits(database.query)
    this.#heartbeat = new Heartbeat({
      beat: () => Promise.all([this.#runs.beat(), databaseClock.measure(), this.#brake.read(database.query)]),
      afterBeat: () => this.#watcher.onWork(),
      clock,
      log,
    })
  }

  /** Migrates the database and starts the heartbeat. @throws CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE */
  async open(): Promise<void> {
    this.#listener.on(ENDED_CHANNEL, (key) => this.#watcher.onEnded(key))
    this.#listener.on(PARKED_CHANNEL, () => this.#watcher.onWork())
    this.#listener.on(WITHDRAWN_CHANNEL, (id) => {
      this.#runs.lose(id)
      this.#watcher.onWork()
    })
    try {
      await migrate(this.#url, () => this.#jobs.start(), prepareTables)
      await this.#databaseClock.measure()
      await this.#brake.read(this.#database.query)
      await this.#listener.open()
    } catch (error) {
      await this.#jobs.stop()
      await this.#database.close()
      throw error
    }
    this.#heartbeat.start()
  }

  clock: Store['clock'] = () => this.#databaseClock.reading()

  accept: Store['accept'] = async (signals, replay, now, origin, batch) => {
    const result = await this.#accepts.ask({ signals, replay, now, origin, batch })
    this.#writes.succeeded()
    if (!result.ok) throw result.error
    return result.accepted
  }

  release: Store['release'] = (held, now, origin) =>
    this.#trail.transaction((query, note) => release(query, this.#jobs, { held, now, origin }, note))

  cancel: Store['cancel'] = (held, now, origin) =>
    this.#trail.transaction((query, note) => cancel(query, { held, now, origin }, note))

  claim: Store['claim'] = (request) => this.#runs.claim(request)

  claimConfirmations: Store['claimConfirmations'] = (request) => this.#confirmations.claim(request)

  unsized: Store['unsized'] = (query) => this.#sized.unsized(query)

  /** In a transaction, which states the version: see `curfew.distrust_earlier_version`. */
  noteSizes: Store['noteSizes'] = (sizes) =>
    this.#database.transaction((query) => sizedStatements(query).note(sizes), UNSYNCED)

  reserveSurvey: Store['reserveSurvey'] = (tenant, ms) => this.#sized.reserve(tenant, ms)

  measure: Store['measure'] = (ids, resolve) =>
    this.#database.transaction((query) => measure(query, ids, resolve))

  nextDueAt: Store['nextDueAt'] = async (now) => {
    const dueAt = await Promise.all([this.#sql.nextDueAt(now), this.#confirmations.nextDueAt(now)])
    const times = dueAt.filter((at) => at !== null)
    return times.length > 0 ? Math.min(...times) : null
  }

  end: Store['end'] = (id, ending, events = []) => this.#runs.end(id, ending, events)

  putBack: Store['putBack'] = (id, waiting, events = []) => this.#runs.putBack(id, waiting, events)

  progress: Store['progress'] = (id, tokens, events = []) => this.#runs.progress(id, tokens, events)

  lockUsers: Store['lockUsers'] = (id, userIds, urgency) => this.#runs.lockUsers(id, userIds, urgency)

  confirm: Store['confirm'] = (id, confirmation) => this.#confirmations.confirm(id, confirmation)

  retry: Store['retry'] = (id, now, origin) =>
    this.#trail.transaction((query, note) => retry(query, this.#jobs, { id, now, origin }, note))

  withdraw: Store['withdraw'] = async (id, options, origin) => {
    if (!this.#brake.isUpgradeComplete)
      throw new CurfewError('CURFEW_NOT_CANCELLABLE', 'Replicas of an earlier version are running.')
    const cancelled = await this.#trail.transaction((query, note) =>
      withdraw(query, this.#jobs, { id, ...options, origin }, note),
    )
    if (cancelled) this.#runs.lose(cancelled.id)
    return cancelled
  }

  get: Store['get'] = (id) => this.#sql.find(id)

  list: Store['list'] = (query) => this.#history.list(query)

  count: Store['count'] = (query) => this.#history.count(query)

  failureCodes: Store['failureCodes'] = () => failureCodes(this.#database.query, POSTGRES_FAILURES)

  countFailures: Store['countFailures'] = (query) =>
    countFailures(query, this.#database.query, POSTGRES_FAILURES)

  verified: Store['verified'] = (query) => readVerified(query, this.#database.query, POSTGRES_VERIFIED)

  readBatch: Store['readBatch'] = (batch) => readBatch(batch, this.#database.query, POSTGRES_AUDIT)

  memberSince: Store['memberSince'] = (batch, id) =>
    memberSince(batch, id, this.#database.query, POSTGRES_AUDIT)

  overtaken: Store['overtaken'] = () => this.#runs.overtaken()

  watch: Store['watch'] = (watcher) => {
    this.#watcher = watcher
  }

  /** Runs of a lost process are claimed again when its heartbeat stops. */
  recover: Store['recover'] = async () => 0

  noteSession: Store['noteSession'] = async (of, session, origin) => {
    await this.#sessionChanges.ask({ of, sid: session.sid, session, origin })
  }

  isReplay: Store['isReplay'] = async (replay, now) => {
    const earlier = await this.#history.replayOf(replay, now - REPLAY_WINDOW_MS)
    if (earlier) requireSameRequest(earlier.fingerprint, replay.fingerprint)
    return earlier !== null
  }

  findSession: Store['findSession'] = (of, sid, now) => this.#sessions.find(of, sid, now)

  forgetSession: Store['forgetSession'] = async (of, sid, origin) => {
    await this.#sessionChanges.ask({ of, sid, session: null, origin })
  }

  purge: Store['purge'] = (endedBefore, now) =>
    purgeAll(
      async () =>
        (await this.#history.purgeSome(endedBefore, now - REPLAY_WINDOW_MS)) +
        (await this.#sessions.purgeSome(now)) +
        (await this.#brake.purgeSome(this.#database.query)),
    )

  queue: Store['queue'] = async () => postgresQueue(this.#database.query, await this.backlog(['queued']))

  backlog: Store['backlog'] = (statuses) => this.#history.backlog(statuses)

  check: Store['check'] = async () => {
    const [state] = await this.#database.query(
      `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS is_read_only`,
    )
    if (state?.is_read_only !== false)
      throw new CurfewError('CURFEW_STORE_UNAVAILABLE', 'The database is read-only.')
    await this.#writes.check()
  }

  close: Store['close'] = async () => {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#heartbeat.stop()
    await this.#jobs.stop()
    await this.#listener.close()
    await this.#database.close()
  }
}
