import { type Db, type JobInsert, PgBoss } from 'pg-boss'
import type { Log } from '../../base/log.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import { type Room, urgencyOf } from '../../revocation/schedule.ts'
import { REASONS, type Reason } from '../../revocation/signal.ts'
import type { PostgresDatabase, Query } from './database.ts'
import { FETCHABLE, fetchByGroup, HAS_LOST, JOBS_SCHEMA, type Job, QUEUE, regroupLost } from './job-table.ts'
import type { PostgresListener } from './listener.ts'

const LOST_QUEUE = 'revocations-lost'

/** A process without a heartbeat for this long loses its jobs. The minimum that pg-boss accepts. */
const HEARTBEAT_SECONDS = 10
/**
 * How often a job can be lost in a row before pg-boss gives it up. This takes at least 2.8 hours, longer than an
 * upgrade: replicas of earlier versions would then fail its revocation.
 */
const MAX_LOSSES = 1_000
/** Longer than any run, because heartbeats detect lost processes. The maximum that pg-boss accepts. */
const EXPIRE_SECONDS = 24 * 60 * 60
/** Long enough that pg-boss never discards a queued job: revocations have their own time limit. */
const RETENTION_SECONDS = 365 * 24 * 60 * 60
const FETCHED_AT_ONCE = 100
/** A job is due slightly before its revocation, so that it is available when the worker claims. */
const EARLY_MS = 20

export interface JobsOptions {
  log: Log
  /** Called when there may be jobs. */
  onWork: () => void
}

/** A reason with due jobs. */
export interface Due {
  reason: Reason
  /** Whether the size of some queued revocations is known. */
  isSized: boolean
  /** Whether some jobs need `regroupLost`. */
  hasLost: boolean
}

/** The jobs in pg-boss: one for each queued or running revocation that is not parked. */
export class PostgresJobs {
  readonly #database: PostgresDatabase
  readonly #boss: PgBoss
  /** For each reason, the group at which the last fetch ended: the next one begins after it, so tenants take turns. */
  readonly #last = new Map<Reason, string>()

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
      // `migrate` creates the schema. pg-boss would require the right to create one even if it exists.
      createSchema: false,
      useListenNotify: true,
      schedule: false,
      superviseIntervalSeconds: 1,
      monitorIntervalSeconds: 1,
      maintenanceIntervalSeconds: 600,
    })
    this.#boss.on('error', (error) => log.warn({ err: error }, 'job queue error'))
    this.#boss.on('warning', ({ message }) => log.warn({ warning: message }, 'job queue warning'))
  }

  /** Migrates the schema of pg-boss and starts to supervise jobs. */
  async start(): Promise<void> {
    await this.#boss.start()
    const queue = { retryLimit: MAX_LOSSES, retryDelay: 0, retentionSeconds: RETENTION_SECONDS }
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
    } else if (known.retryLimit !== MAX_LOSSES) await this.#raiseLimit()
  }

  /**
   * Raises the lower limit of a queue that an earlier version created, for future jobs and for those of current runs.
   * Runs in a transaction, which is retried if other processes change the same jobs.
   */
  async #raiseLimit(): Promise<void> {
    await this.#boss.updateQueue(QUEUE, { retryLimit: MAX_LOSSES })
    await this.#database.transaction((query) =>
      query(
        `UPDATE ${JOBS_SCHEMA}.job SET retry_limit = $1 WHERE name = $2 AND state IN ('active', 'retry')`,
        [MAX_LOSSES, QUEUE],
      ),
    )
  }

  /** Creates the jobs of revocations in the caller's transaction, due immediately. */
  async add(query: Query, revocations: readonly Revocation[]): Promise<void> {
    await this.#insert(
      query,
      revocations.map((revocation) => jobOf(revocation, 0)),
    )
  }

  /** Creates the jobs of revocations in the caller's transaction, due at their next attempts. */
  async addWaiting(query: Query, revocations: readonly Revocation[], now: number): Promise<void> {
    await this.#insert(
      query,
      revocations.map((revocation) => jobOf(revocation, (revocation.nextAttemptAt ?? now) - now)),
    )
  }

  async #insert(query: Query, jobs: JobInsert[]): Promise<void> {
    if (jobs.length > 0) await this.#boss.insert(QUEUE, jobs, inTransaction(query))
  }

  /** Deletes the jobs of revocations in the caller's transaction. */
  async remove(query: Query, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#boss.deleteJob(QUEUE, [...ids], inTransaction(query))
  }

  /** Makes a waiting job as urgent as its revocation, in the caller's transaction; with `isDue`, also due now. */
  async hasten(query: Query, { id, tenant, reason }: Revocation, isDue: boolean): Promise<void> {
    const startAfter = isDue ? { startAfter: 0 } : {}
    const urgency = { priority: priorityOf(reason), group: groupOf(reason, tenant) }
    await this.#boss.update(QUEUE, null, { id, ...urgency, ...startAfter, ...inTransaction(query) })
  }

  /**
   * The reasons with due jobs, whether sizes are known for some of them, and whether some were fetched by size and lost: up
   * to nine index lookups in one statement, since usually two of the three reasons have no jobs. Subqueries with LIMIT,
   * because the planner joins EXISTS by a scan of all jobs if there are many.
   */
  async due(): Promise<Due[]> {
    const due = await this.#database.query(
      `SELECT wanted.priority, coalesce((
         SELECT true FROM curfew.revocations AS r
         WHERE r.status = 'queued' AND NOT r.parked AND r.size IS NOT NULL AND r.urgency = wanted.urgency
         ORDER BY r.urgency, r.tenant, r.size, r.due_at LIMIT 1), false) AS is_sized,
         ${HAS_LOST('wanted.priority')} AS has_lost
       FROM unnest($1::integer[], $2::integer[]) AS wanted (priority, urgency) WHERE (
         SELECT true FROM ${JOBS_SCHEMA}.job
         WHERE ${FETCHABLE('job')} AND job.priority = wanted.priority ORDER BY job.priority DESC, job.created_on LIMIT 1)`,
      [REASONS.map(priorityOf), REASONS.map(urgencyOf)],
    )
    return REASONS.flatMap((reason) => {
      const found = due.find(({ priority }) => priority === priorityOf(reason))
      return found ? [{ reason, isSized: found.is_sized === true, hasLost: found.has_lost === true }] : []
    })
  }

  /**
   * Fetches due jobs of one reason: tenants take turns, the oldest jobs of each first. Up to `perTenant` jobs of a tenant
   * can run for this reason, across all processes.
   */
  async fetch(reason: Reason, room: Room): Promise<Job[]> {
    if (room.total <= 0) return []
    const { jobs, last } = await fetchByGroup(this.#database.query, {
      priority: priorityOf(reason),
      room: { total: Math.min(room.total, FETCHED_AT_ONCE), perTenant: room.perTenant },
      exceptions: new Map(
        [...room.exceptions].flatMap(([tenant, most]) => [
          [groupOf(reason, tenant).id, most],
          [lostPrefix(reason) + tenant, most],
        ]),
      ),
      after: this.#last.get(reason) ?? '',
    })
    if (last !== null) this.#last.set(reason, last)
    return jobs
  }

  /**
   * Puts jobs of one reason that were fetched by size and lost into a group for each tenant, where `fetch` finds them. Their
   * own group, because in the other they would wait for all older jobs.
   */
  async regroupLost(reason: Reason): Promise<void> {
    await regroupLost(this.#database.query, priorityOf(reason), lostPrefix(reason))
  }

  /** Sends a heartbeat for jobs of this process. */
  async touch(jobs: readonly Job[]): Promise<void> {
    if (jobs.length > 0) await this.#boss.touch(QUEUE, [...jobs])
  }

  /** Calls `settle` for each job that pg-boss has given up, then deletes the job. */
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

/** A job that is due after `delayMs` on the database clock. */
function jobOf({ id, tenant, reason }: Revocation, delayMs: number): JobInsert {
  const startAfter = delayMs > EARLY_MS ? { startAfter: `${delayMs - EARLY_MS} milliseconds` } : {}
  return { id, priority: priorityOf(reason), group: groupOf(reason, tenant), ...startAfter }
}

/** pg-boss serves higher numbers first. */
function priorityOf(reason: Reason): number {
  return REASONS.length - 1 - urgencyOf(reason)
}

/** The group of jobs that share the room of a tenant. */
function groupOf(reason: Reason, tenant: string): { id: string } {
  return { id: `${reason} ${tenant}` }
}

/** The start of the id of a tenant's group of jobs that were fetched by size and lost. */
function lostPrefix(reason: Reason): string {
  return `${reason}-lost `
}

function inTransaction(query: Query): { db: Db } {
  return { db: { executeSql: async (text, values) => ({ rows: await query(text, values) }) } }
}
