import { statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { type Clock, systemClock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { steadyClock } from '../../base/steady-clock.ts'
import type { AuditLog } from '../../revocation/audit/audit-log.ts'
import type { AuditEvent, NoteEvents } from '../../revocation/audit/entry.ts'
import { type BrakeLimits, NO_BRAKE } from '../../revocation/mass-brake.ts'
import { Outbox } from '../../revocation/outbox.ts'
import { REPLAY_WINDOW_MS } from '../../revocation/replay.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { NotificationStore } from '../../revocation/store/notification-store.ts'
import type { Watcher } from '../../revocation/store.ts'
import { progress } from '../../revocation/transitions.ts'
import type { Rows } from '../audit-dialect.ts'
import { memberSince, readBatch } from '../batch-reading.ts'
import { countFailures, failureCodes } from '../failure-reading.ts'
import { purgeAll } from '../purge-all.ts'
import type { Store } from '../store.ts'
import { readVerified } from '../verified.ts'
import { acceptInParts } from './accept-in-parts.ts'
import { sqliteAudit } from './audit.ts'
import { SQLITE_AUDIT, SQLITE_VERIFIED, sqliteRows } from './audit-reading.ts'
import { SqliteAuditWriting } from './audit-writing.ts'
import { backUp } from './backup.ts'
import { SqliteBrake } from './brake.ts'
import { sqliteChanges } from './changes.ts'
import { type Damage, damageIn } from './damage.ts'
import { type OpenOptions, openDatabase } from './database.ts'
import { together } from './group-commit.ts'
import { SqliteOutbox, sqliteNotifications } from './notifications.ts'
import { SqlitePermitLog } from './permit-log.ts'
import { sqliteQueue } from './queue.ts'
import { sqliteSessions } from './sessions.ts'
import { SQLITE_FAILURES, sqliteStatements } from './statements.ts'
import { Transactions } from './transactions.ts'
import { UserLocks } from './user-locks.ts'

/**
 * Opens the embedded store: one process, one file at `path`, which is created if it does not exist. With a log, the files
 * are watched, and damage is logged as it occurs.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export function openSqliteStore(
  path: string,
  clock: Clock = systemClock,
  log?: Log,
  {
    checkedAtStartBytes,
    ...options
  }: Pick<SqliteStoreOptions, 'audit' | 'massRevocation' | 'outbox'> &
    Pick<OpenOptions, 'checkedAtStartBytes'> = {},
): SqliteStore {
  let found: Damage | null = null
  let isChecked = true
  const database = openDatabase(path, {
    onDamage: (damage) => {
      found = damage
    },
    onUnchecked: () => {
      isChecked = false
    },
    checkedAtStartBytes,
  })
  return new SqliteStore(database, { ...options, path: resolve(path), clock, log, found, isChecked })
}

interface SqliteStoreOptions {
  /** Absolute. */
  path: string
  clock: Clock
  log: Log | undefined
  /** What the check at the start found. */
  found: Damage | null
  /** By default true. If false, the database is checked in the background. */
  isChecked?: boolean
  /** By default it is written. */
  audit?: boolean | undefined
  /** By default there is no limit. */
  massRevocation?: BrakeLimits | undefined
  /** By default it has no receivers. */
  outbox?: Outbox | undefined
}

/**
 * The embedded store, in one SQLite file. `RevocationStore` documents what each method guarantees. The methods are arrow
 * properties, so that `Store` gives the types of their parameters, and they can be passed as callbacks.
 */
export class SqliteStore implements Store {
  readonly accept: Store['accept']
  readonly permits: SqlitePermitLog
  readonly audit: AuditLog
  readonly notifications: NotificationStore
  readonly #database: DatabaseSync
  readonly #sql: ReturnType<typeof sqliteStatements>
  readonly #changes: ReturnType<typeof sqliteChanges>
  readonly #sessions: ReturnType<typeof sqliteSessions>
  readonly #brake: SqliteBrake
  readonly #transactions: Transactions
  readonly #trail: SqliteAuditWriting
  readonly #now: () => number
  readonly #rows: Rows
  readonly #userLocks = new UserLocks()
  /** Cancelled revocations, which may have a run. */
  readonly #withdrawn = new Set<string>()
  readonly #steady: ReturnType<typeof steadyClock>
  readonly #path: string
  #backup: ReturnType<typeof backUp> | null = null
  #watcher: Watcher | null = null
  #isClosed = false

  constructor(database: DatabaseSync, options: SqliteStoreOptions) {
    const { path, clock, log, found, isChecked = true, audit = true, massRevocation = NO_BRAKE } = options
    const outbox = new SqliteOutbox(database, options.outbox ?? new Outbox())
    this.#database = database
    this.#path = path
    this.#sql = sqliteStatements(database)
    this.#now = () => clock.now()
    this.#trail = new SqliteAuditWriting(database, audit)
    this.#brake = new SqliteBrake(database, massRevocation, clock)
    const note: NoteEvents = (events, at) => {
      this.#trail.note(events, at)
      outbox.note(events, at)
    }
    this.#changes = sqliteChanges(this.#sql, note, this.#brake.brake)
    this.#sessions = sqliteSessions(database, note)
    const damage = found ?? damageIn(() => this.#brake.load(clock.now()))
    const companion = together(together(this.#trail, this.#brake), outbox)
    const transactions = new Transactions(database, {
      ...{ path, companion, clock, log, found: damage },
      isChecked: isChecked || damage !== null,
    })
    this.#transactions = transactions
    this.accept = acceptInParts({
      changes: this.#changes,
      read: (work) => transactions.read(work),
      write: (work) => transactions.write(work, { mustSync: false, isRepeatable: true }),
      keep: (work) => transactions.keep(work, { isRepeatable: true }),
      onAcceptedInPart: () => this.#watcher?.onWork(),
    })
    this.#rows = sqliteRows(database, (work) => transactions.read(work))
    this.#steady = steadyClock(clock)
    this.permits = new SqlitePermitLog(
      database,
      (work) => transactions.writeUnsynced(work),
      (work) => transactions.read(work),
      clock.now,
    )
    this.audit = sqliteAudit(database, {
      writing: this.#trail,
      write: (work) => transactions.keep(work),
      read: (work) => transactions.read(work),
    })
    this.notifications = sqliteNotifications(database, {
      rows: this.#rows,
      write: (work, { mustSync }) => (mustSync ? transactions.keep(work) : transactions.writeUnsynced(work)),
    })
  }

  clock: Store['clock'] = () => ({ clock: this.#steady.id(), offset: { earliest: 0, latest: 0 } })

  release: Store['release'] = (query, now, origin) =>
    this.#transactions.keep(() => this.#changes.release(query, now, origin))

  cancel: Store['cancel'] = (query, now, origin) =>
    this.#transactions.keep(() => this.#changes.cancel(query, now, origin))

  isReplay: Store['isReplay'] = (replay, now) =>
    this.#transactions.read(() => this.#changes.isReplay(replay, now))

  claim: Store['claim'] = (request) => this.#transactions.writeUnsynced(() => this.#changes.claim(request))

  claimConfirmations: Store['claimConfirmations'] = (request) =>
    this.#transactions.writeUnsynced(() => this.#changes.claimConfirmations(request))

  unsized: Store['unsized'] = (query) => this.#transactions.read(() => this.#sql.sized.unsized(query))

  noteSizes: Store['noteSizes'] = (sizes) =>
    this.#transactions.writeUnsynced(() => this.#changes.noteSizes(sizes))

  /** One process uses the file. */
  reserveSurvey: Store['reserveSurvey'] = async () => true

  measure: Store['measure'] = (ids, resolve) =>
    this.#transactions.write(() => this.#changes.measure(ids, resolve))

  nextDueAt: Store['nextDueAt'] = (now) => this.#transactions.read(() => this.#sql.nextDueAt(now))

  end: Store['end'] = async (id, ending, events = []) => {
    const hasEnded = await this.#whileRunning(id, events, (running) =>
      this.#changes.end(running, ending, this.#now()),
    )
    this.#userLocks.release(id)
    return hasEnded
  }

  putBack: Store['putBack'] = async (id, waiting, events = []) => {
    await this.#whileRunning(id, events, (running) => this.#changes.putBack(running, waiting))
    this.#userLocks.release(id)
  }

  lockUsers: Store['lockUsers'] = async (id, userIds, urgency) => {
    const running = await this.#transactions.read(() => this.#sql.find(id))
    return running?.status === 'running' && this.#userLocks.lock(running, userIds, urgency)
  }

  progress: Store['progress'] = async (id, tokens, events = []) => {
    const save = (running: Revocation) => this.#sql.save(progress(running, tokens))
    await this.#whileRunning(id, events, save, { mustSync: false })
  }

  confirm: Store['confirm'] = (id, confirmation) =>
    this.#transactions.write(() => this.#changes.confirm(id, confirmation, this.#now()))

  retry: Store['retry'] = (id, now, origin) =>
    this.#transactions.keep(() => this.#changes.retry(id, now, origin))

  withdraw: Store['withdraw'] = async (id, options, origin) => {
    const revocation = await this.#transactions.keep(() => this.#changes.withdraw(id, options, origin))
    if (revocation) this.#withdrawn.add(revocation.id)
    return revocation
  }

  get: Store['get'] = (id) => this.#transactions.read(() => this.#sql.find(id))

  list: Store['list'] = (query) => this.#transactions.read(() => this.#sql.list(query))

  count: Store['count'] = (query) => this.#transactions.read(() => this.#sql.count(query))

  failureCodes: Store['failureCodes'] = () => failureCodes(this.#rows, SQLITE_FAILURES)

  countFailures: Store['countFailures'] = (query) => countFailures(query, this.#rows, SQLITE_FAILURES)

  verified: Store['verified'] = (query) => readVerified(query, this.#rows, SQLITE_VERIFIED)

  readBatch: Store['readBatch'] = (batch) => readBatch(batch, this.#rows, SQLITE_AUDIT)

  memberSince: Store['memberSince'] = (batch, id) => memberSince(batch, id, this.#rows, SQLITE_AUDIT)

  overtaken: Store['overtaken'] = async () => {
    const overtaken = await this.#transactions.read(() => [
      ...this.#sql.overtaken(),
      ...this.#userLocks.displaced(),
    ])
    const withdrawn = [...this.#withdrawn]
    this.#withdrawn.clear()
    return [...new Set([...overtaken, ...withdrawn])]
  }

  /** Notifies only of what requests accepted before they failed, because one process uses the file. */
  watch: Store['watch'] = (watcher) => {
    this.#watcher = watcher
  }

  recover: Store['recover'] = (now) => this.#transactions.write(() => this.#changes.recover(now))

  noteSession: Store['noteSession'] = (of, session, origin) =>
    this.#transactions.keep(() => this.#sessions.note(of, session, this.#now(), origin))

  findSession: Store['findSession'] = (of, sid, now) =>
    this.#transactions.read(() => this.#sessions.find(of, sid, now))

  forgetSession: Store['forgetSession'] = (of, sid, origin) =>
    this.#transactions.keep(() => this.#sessions.forget(of, sid, this.#now(), origin))

  purge: Store['purge'] = (endedBefore, now) =>
    purgeAll(() =>
      this.#transactions.write(
        () =>
          this.#sql.purgeSome(endedBefore, now - REPLAY_WINDOW_MS) +
          this.#sessions.purgeSome(now) +
          this.#brake.purgeSome(now),
      ),
    )

  queue: Store['queue'] = async () =>
    sqliteQueue(this.#sql.prepared, (work) => this.#transactions.read(work), await this.backlog(['queued']))

  backlog: Store['backlog'] = (statuses) => this.#transactions.read(() => this.#sql.backlog(statuses))

  check: Store['check'] = async () => {
    this.#transactions.check()
  }

  /** Works even if the files were removed: SQLite reads the files that this process has open. */
  backup: NonNullable<Store['backup']> = () => {
    this.#backup ??= backUp(this.#database, this.#path).finally(() => {
      this.#backup = null
    })
    return this.#backup
  }

  freeBytes: NonNullable<Store['freeBytes']> = () =>
    statfs(dirname(this.#path)).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => null,
    )

  close: Store['close'] = async () => {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#backup?.catch(() => {})
    this.#transactions.close()
    this.#database.close()
  }

  /** Changes a revocation if it is running, and records events in any case. @returns whether it was running */
  #whileRunning(
    id: string,
    events: readonly AuditEvent[],
    change: (running: Revocation) => void,
    durability?: { mustSync: boolean },
  ): Promise<boolean> {
    return this.#transactions.write(() => {
      this.#trail.note(events, this.#now())
      const revocation = this.#sql.find(id)
      if (revocation?.status !== 'running') return false
      change(revocation)
      return true
    }, durability)
  }
}
