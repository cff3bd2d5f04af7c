import { CurfewError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { REMEMBERED_FOR_MS } from '../../qlik/budget/sliding-log.ts'
import { REPLAY_WINDOW_MS } from '../../revocation/replay.ts'
import { hasEarlierReplica } from '../postgres/brake.ts'
import { PostgresDatabase } from '../postgres/database.ts'
import { PostgresJobs } from '../postgres/jobs.ts'
import { PostgresListener } from '../postgres/listener.ts'
import { migrate } from '../postgres/migrations.ts'
import { postgresSessions } from '../postgres/sessions.ts'
import { asCurfewError } from '../sqlite/errors.ts'
import { importChains, importEntries } from './audit-import.ts'
import { importBatchMembers } from './batch-import.ts'
import { importNotifications } from './notification-import.ts'
import {
  importBudget,
  importEnded,
  importHeld,
  importLearnedLimits,
  importPending,
  importReplays,
  type Moved,
  NOTHING_MOVED,
} from './postgres-import.ts'
import { openSqliteSource, type Page } from './sqlite-source.ts'

const CONNECTIONS = 3
const REPORT_EVERY = 5_000

export interface MigrateStoreOptions {
  /** The SQLite file. */
  path: string
  /** `postgres://…` */
  url: string
  /** The timeout of calls to Qlik Cloud and the window of its rate limits, in ms. A call counts for the sum of both. */
  timeoutMs: number
  windowMs: number
  /** ms since the epoch */
  now: () => number
  log: Log
  /** Called periodically with the number of processed revocations and their total. */
  onProgress: (done: number, total: number) => void
}

export interface MigrateStoreResult extends Moved {
  /** Answers to requests that may be repeated. */
  replays: number
  /** Recorded sessions. */
  sessions: number
  budgets: number
  /** Members of batches. */
  members: number
  /** Notifications of receivers. */
  notifications: number
  /** Entries of the audit trail. */
  entries: number
}

/**
 * Copies a SQLite store to PostgreSQL, where replicas may be running. The order is: spent budgets and learned limits
 * first, so that none is exceeded; then pending and held revocations, recorded answers, sessions, finished
 * revocations, batches, notifications, and the audit trail. Each page is one transaction with rows, jobs and joined ids. Rows that already
 * exist are skipped, so a run after an interruption continues where the last one stopped.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function migrateStore(options: MigrateStoreOptions): Promise<MigrateStoreResult> {
  const { path, url, timeoutMs, windowMs, now, log, onProgress } = options
  const source = openSqliteSource(path, now)
  const database = new PostgresDatabase(url, CONNECTIONS)
  const jobs = new PostgresJobs(database, new PostgresListener(url), { log, onWork: () => {} })
  const total = source.count()
  let moved = NOTHING_MOVED
  let done = 0

  async function each(pages: Iterable<Page>, move: (page: Page) => Promise<Moved>): Promise<void> {
    for (const page of pages) {
      moved = sum(moved, await move(page))
      const before = done
      done += page.revocations.length
      if (Math.floor(done / REPORT_EVERY) > Math.floor(before / REPORT_EVERY)) onProgress(done, total)
    }
  }

  try {
    await migrate(url, () => jobs.start())
    onProgress(0, total)
    const budgets = await source.budgets(now() - timeoutMs - Math.max(windowMs, REMEMBERED_FOR_MS))
    for (const { key, history } of budgets) {
      await database.transaction((query) =>
        importBudget(query, key, history, { timeoutMs, windowMs, now: now() }),
      )
    }
    await importLearnedLimits(database.query, await source.learnedLimits())
    await each(source.pending(), (page) =>
      database.transaction((query) => importPending(query, jobs, page, now())),
    )
    await each(source.held(), async (page) => {
      if (page.revocations.length > 0 && (await hasEarlierReplica(database.query))) throw earlierReplica()
      return database.transaction((query) => importHeld(query, page))
    })
    let replays = 0
    const since = now() - REPLAY_WINDOW_MS
    for (const some of source.replays(since)) {
      replays += await database.transaction((query) => importReplays(query, some, since))
    }
    let sessions = 0
    for (const some of source.sessions(now())) {
      sessions += await database.transaction((query) =>
        postgresSessions(query).noteUnknown('source_sessions', some),
      )
    }
    for (const some of source.unsourcedSessions(now())) {
      sessions += await database.transaction((query) => postgresSessions(query).noteUnknown('sessions', some))
    }
    await each(source.ended(), (page) => database.transaction((query) => importEnded(query, page)))
    let members = 0
    for (const some of source.batchMembers())
      members += await database.transaction((query) => importBatchMembers(query, some))
    let notifications = 0
    for (const some of source.notifications())
      notifications += await database.transaction((query) => importNotifications(query, some))
    let entries = 0
    for (const some of source.auditEntries()) {
      entries += await database.transaction((query) => importEntries(query, some))
    }
    for (const some of source.auditChains()) await database.transaction((query) => importChains(query, some))
    return { ...moved, replays, sessions, budgets: budgets.length, members, notifications, entries }
  } catch (error) {
    throw asCurfewError(error)
  } finally {
    await jobs.stop()
    await database.close()
    source.close()
  }
}

function earlierReplica(): CurfewError {
  return new CurfewError(
    'CURFEW_STORE_UNAVAILABLE',
    'A replica of an earlier version uses the database, and cannot read held revocations. Stop it, then repeat the command.',
  )
}

function sum(one: Moved, other: Moved): Moved {
  return {
    queued: one.queued + other.queued,
    completed: one.completed + other.completed,
    failed: one.failed + other.failed,
    held: one.held + other.held,
    cancelled: one.cancelled + other.cancelled,
    joined: one.joined + other.joined,
    known: one.known + other.known,
    widened: one.widened + other.widened,
  }
}
