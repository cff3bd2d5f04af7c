import { type Db, type JobInsert, PgBoss } from 'pg-boss'
import type { Log } from '../../base/log.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import { REASONS, type Reason, urgencyOf } from '../../revocation/signal.ts'
import type { Room } from '../../revocation/store.ts'
import type { PostgresDatabase, Query } from './database.ts'
import type { PostgresListener } from './listener.ts'

export const JOBS_SCHEMA = 'curfew_jobs'
const QUEUE = 'revocations'
const LOST_QUEUE = 'revocations-lost'

/** A process that was not heard of for this long has lost its jobs. The least that pg-boss takes. */
const HEARTBEAT_SECONDS = 10
/**
 * How often a job may be lost in a row before pg-boss gives it up: for 2.8 hours at least. Replicas of earlier versions fail
 * its revocation then, and an upgrade is done before.
 */
const LOST_AT_MOST = 1_000
/** No run is as long; heartbeats tell of those that are gone. The most that pg-boss takes. */
const EXPIRE_SECONDS = 24 * 60 * 60
/** A queued job is never thrown away: revocations give up by themselves. */
const RETENTION_SECONDS = 365 * 24 * 60 * 60
const FETCHED_AT_ONCE = 100
/** A job is due a little before its revocation, so that it is there when the process looks for it. */
const EARLY_MS = 20

/** A job that was fetched: for one revocation, and for the how-many-eth time without an end. */
export interface Job {
  id: string
  retryCount: number
}

export interface JobsOptions {
  log: Log
  /** Told that there may be jobs. */
  onWork: () => void
}

/** The work of pg-boss: one job for each revocation that waits or runs, and none for any other. */
export class PostgresJobs {
  readonly #database: PostgresDatabase
  readonly #boss: PgBoss

  constructor(database: PostgresDatabase, listener: PostgresListener, { log, onWork }: JobsOptions) {
    this.#database = database
    const db: Db = {
      executeSql: (text, values) => database.execute(text, values),
      listen: async (channel) => {
        listener.on(channel, onWork)
        return { close: async () => {} }
      },
    }
    this.#boss = new PgBoss({
      db,
      schema: JOBS_SCHEMA,
      // Made by `migrate`: not every role may make one, though it exists.
      createSchema: false,
      useListenNotify: true,
      schedule: false,
      superviseIntervalSeconds: 1,
      monitorIntervalSeconds: 1,
      maintenanceIntervalSeconds: 600,
    })
    this.#boss.on('error', (error) => log.warn({ err: error }, 'the job queue had an error'))
    this.#boss.on('warning', ({ message }) => log.warn({ warning: message }, 'the job queue warns'))
  }

  /** Brings the schema of pg-boss up to date and begins to watch over the jobs. */
  async start(): Promise<void> {
    await this.#boss.start()
    const queue = { retryLimit: LOST_AT_MOST, retryDelay: 0, retentionSeconds: RETENTION_SECONDS }
    if (!(await this.#boss.getQueue(LOST_QUEUE))) await this.#boss.createQueue(LOST_QUEUE, queue)
    const known = await this.#boss.getQueue(QUEUE)
    if (!known) {
      await this.#boss.createQueue(QUEUE, {
        ...queue,
        heartbeatSeconds: HEARTBEAT_SECONDS,
        expireInSeconds: EXPIRE_SECONDS,
        deadLetter: LOST_QUEUE,
        notify: true,
      })
    } else if (known.retryLimit !== LOST_AT_MOST) await this.#raiseLimit()
  }

  /**
   * An earlier version made the queue with a lower limit. It is raised for the jobs to come, and for those of runs. Others may
   * be changing these: a transaction is tried again.
   */
  async #raiseLimit(): Promise<void> {
    await this.#boss.updateQueue(QUEUE, { retryLimit: LOST_AT_MOST })
    await this.#database.transaction((query) =>
      query(
        `UPDATE ${JOBS_SCHEMA}.job SET retry_limit = $1 WHERE name = $2 AND state IN ('active', 'retry')`,
        [LOST_AT_MOST, QUEUE],
      ),
    )
  }

  /** Gives revocations their jobs, in the caller's transaction; due at once. */
  async add(query: Query, revocations: readonly Revocation[]): Promise<void> {
    await this.#insert(
      query,
      revocations.map((revocation) => jobOf(revocation, 0)),
    )
  }

  /** Gives revocations their jobs, in the caller's transaction; each is due when its next attempt is. */
  async addWaiting(query: Query, revocations: readonly Revocation[], now: number): Promise<void> {
    await this.#insert(
      query,
      revocations.map((revocation) => jobOf(revocation, (revocation.nextAttemptAt ?? now) - now)),
    )
  }

  async #insert(query: Query, jobs: JobInsert[]): Promise<void> {
    if (jobs.length > 0) await this.#boss.insert(QUEUE, jobs, inTransaction(query))
  }

  /** Takes revocations' jobs away, in the caller's transaction. */
  async remove(query: Query, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#boss.deleteJob(QUEUE, [...ids], inTransaction(query))
  }

  /** Makes a waiting job as urgent as its revocation, in the caller's transaction; and due now, if it should be. */
  async hasten(query: Query, { id, tenant, reason }: Revocation, isDue: boolean): Promise<void> {
    const startAfter = isDue ? { startAfter: 0 } : {}
    const urgency = { priority: priorityOf(reason), group: groupOf(reason, tenant) }
    await this.#boss.update(QUEUE, null, { id, ...urgency, ...startAfter, ...inTransaction(query) })
  }

  /**
   * The reasons for which jobs are due: three looks at an index in one statement. A fetch costs ten times as much, and
   * mostly there is nothing for two of them.
   */
  async dueReasons(): Promise<Reason[]> {
    const due = await this.#database.query(
      `SELECT priority FROM unnest($1::integer[]) AS wanted (priority) WHERE EXISTS (
         SELECT FROM ${JOBS_SCHEMA}.job WHERE name = '${QUEUE}' AND state < 'active' AND NOT blocked
           AND job.priority = wanted.priority AND start_after <= ${JOBS_SCHEMA}.job_now())`,
      [REASONS.map(priorityOf)],
    )
    return REASONS.filter((reason) => due.some(({ priority }) => priority === priorityOf(reason)))
  }

  /**
   * Takes jobs of one reason that are due, the oldest first. Of one tenant no more than `perTenant` may run for this
   * reason, in all processes together.
   */
  async fetch(reason: Reason, { total, perTenant, exceptions }: Room): Promise<Job[]> {
    if (total <= 0) return []
    const priority = priorityOf(reason)
    return this.#boss.fetch(QUEUE, {
      batchSize: Math.min(total, FETCHED_AT_ONCE),
      minPriority: priority,
      maxPriority: priority,
      groupConcurrency: perTenant,
      ignoreGroups: [...exceptions].flatMap(([tenant, room]) =>
        room === 0 ? [groupOf(reason, tenant).id] : [],
      ),
    })
  }

  /** Says that this process is at work on these jobs. */
  async touch(jobs: readonly Job[]): Promise<void> {
    if (jobs.length > 0) await this.#boss.touch(QUEUE, [...jobs])
  }

  /** Hands each job that was lost so often that pg-boss has given it up to `settle`, then forgets about it. */
  async eachLost(settle: (id: string) => Promise<void>): Promise<void> {
    const letters = await this.#boss.fetch(LOST_QUEUE, { batchSize: FETCHED_AT_ONCE, includeMetadata: true })
    for (const { id, sourceId } of letters) {
      if (sourceId) await settle(sourceId)
      await this.#boss.deleteJob(LOST_QUEUE, id)
    }
  }

  async stop(): Promise<void> {
    await this.#boss.stop({ graceful: false, close: false })
  }
}

/** Due after `delayMs`, by the clock of the database. */
function jobOf({ id, tenant, reason }: Revocation, delayMs: number): JobInsert {
  const startAfter = delayMs > EARLY_MS ? { startAfter: `${delayMs - EARLY_MS} milliseconds` } : {}
  return { id, priority: priorityOf(reason), group: groupOf(reason, tenant), ...startAfter }
}

/** pg-boss serves higher numbers first. */
function priorityOf(reason: Reason): number {
  return REASONS.length - 1 - urgencyOf(reason)
}

/** Jobs that share a part of the room. */
function groupOf(reason: Reason, tenant: string): { id: string } {
  return { id: `${reason} ${tenant}` }
}

function inTransaction(query: Query): { db: Db } {
  return { db: { executeSql: async (text, values) => ({ rows: await query(text, values) }) } }
}
