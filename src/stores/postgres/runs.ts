import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../base/log.ts'
import type { AuditEvent } from '../../revocation/audit/entry.ts'
import type { Revocation, TokenCounts } from '../../revocation/revocation.ts'
import type { Room } from '../../revocation/schedule.ts'
import type { ClaimRequest } from '../../revocation/store/run-store.ts'
import * as transitions from '../../revocation/transitions.ts'
import type { PostgresAuditWriting } from './audit-writing.ts'
import { Batches } from './batches.ts'
import {
  type EndingOf,
  endTogether,
  giveUp,
  type ProgressOf,
  progressTogether,
  putBack,
  setAside,
} from './changes.ts'
import type { DatabaseClock } from './clock.ts'
import { type PostgresDatabase, UNSYNCED } from './database.ts'
import type { Job } from './job-table.ts'
import type { Due, PostgresJobs } from './jobs.ts'
import type { sizedStatements } from './sized.ts'
import { type Claimed, postgresStatements } from './statements.ts'
import { type UserLocks, userLocks } from './user-locks.ts'

/** A run of this process: the claim in its row, and its job. */
interface Owned extends Job, Claimed {
  tenant: string
  /** The Qlik users that it has locked: see `RevocationStore.lockUsers`. */
  userIds: readonly string[]
}

/** Limits how often this process claims. Under load, everything queued in this interval is claimed together. */
const CLAIM_EVERY_MS = 5
const BATCH_SIZE = 200

export interface RunsOptions {
  database: PostgresDatabase
  audit: PostgresAuditWriting
  databaseClock: DatabaseClock
  jobs: PostgresJobs
  sized: ReturnType<typeof sizedStatements>
  /** ms since the epoch. */
  now: () => number
  log: Log
}

/** The revocations that this process has claimed and, as far as it knows, still owns. */
export class PostgresRuns {
  readonly #options: RunsOptions
  readonly #sql: ReturnType<typeof postgresStatements>
  readonly #sized: ReturnType<typeof sizedStatements>
  readonly #userLocks: ReturnType<typeof userLocks>
  readonly #owned = new Map<string, Owned>()
  readonly #lost = new Set<Owned>()
  readonly #ends: Batches<EndingOf, boolean>
  readonly #progress: Batches<ProgressOf, true>
  readonly #locks: Batches<UserLocks, boolean>
  #claimNotBefore = 0

  constructor(options: RunsOptions) {
    const { database, audit, jobs, sized, now } = options
    this.#options = options
    this.#sized = sized
    this.#sql = postgresStatements(database.query)
    this.#userLocks = userLocks(database.query)
    this.#ends = new Batches({
      run: async (endings: readonly EndingOf[]) => {
        const ended = await audit.transaction((query, note) => endTogether(query, jobs, endings, note, now()))
        return endings.map(({ id }) => ended.has(id))
      },
      concurrency: 2,
      largest: BATCH_SIZE,
    })
    this.#progress = new Batches({
      run: async (progress: readonly ProgressOf[]) => {
        await audit.transaction(async (query, note) => {
          for (const { events } of progress) note(events, now())
          await progressTogether(query, progress)
        }, UNSYNCED)
        return progress.map((): true => true)
      },
      concurrency: 1,
      largest: BATCH_SIZE,
    })
    this.#locks = new Batches({
      run: async (wanted: readonly UserLocks[]) => {
        const locked = await database.transaction((query) => userLocks(query).lock(wanted), UNSYNCED)
        return wanted.map(({ id }) => locked.has(id))
      },
      concurrency: 2,
      largest: BATCH_SIZE,
      fits: (one, batch) => !batch.some((other) => shareUsers(one, other)),
    })
  }

  /** See `RevocationStore.claim`. */
  async claim({ now, room }: ClaimRequest): Promise<Revocation[]> {
    const { jobs } = this.#options
    const wait = this.#claimNotBefore - performance.now()
    if (wait > 0) await delay(wait)
    const due = await jobs.due()
    const fetched = await Promise.all(due.map((one) => this.#fetch(one, room[one.reason])))
    this.#claimNotBefore = performance.now() + CLAIM_EVERY_MS
    return this.#mark(fetched.flat(), now)
  }

  async #fetch({ reason, isSized, hasLost }: Due, room: Room): Promise<Job[]> {
    if (hasLost) await this.#options.jobs.regroupLost(reason)
    const bySize = room.bySize && isSized ? await this.#sized.fetch(reason, room.bySize) : []
    return [...bySize, ...(await this.#options.jobs.fetch(reason, room))]
  }

  async #mark(fetched: readonly Job[], now: number): Promise<Revocation[]> {
    if (fetched.length === 0) return []
    const claim = randomUUID()
    const ids = fetched.map(({ id }) => id)
    const again = fetched.filter(({ retryCount }) => retryCount > 0).map(({ id }) => id)
    const claimed = await this.#claimAll(ids, again, claim, now)
    for (const { id, retryCount } of fetched) {
      const one = claimed.get(id)
      if (one) this.#owned.set(id, { id, retryCount, claim, tenant: one.tenant, userIds: [] })
    }
    // An error here must not affect the claimed ones. The jobs of the others time out and are fetched again.
    for (const id of ids.filter((id) => !claimed.has(id))) {
      const { log } = this.#options
      await this.#setAside(id).catch((error) => log.warn({ err: error, id }, 'failed to set a job aside'))
    }
    return ids.map((id) => claimed.get(id)).filter((one) => one !== undefined)
  }

  #claimAll(ids: string[], again: string[], claim: string, now: number): Promise<Map<string, Revocation>> {
    return this.#options.database.transaction(async (query) => {
      const sql = postgresStatements(query)
      const claimed = (await sql.claimable(ids, again)).map((one) => transitions.claim(one, now))
      await sql.saveAll(claimed, claim)
      return new Map(claimed.map((one) => [one.id, one]))
    }, UNSYNCED)
  }

  #setAside(id: string): Promise<void> {
    const { database, jobs } = this.#options
    return database.transaction((query) => setAside(query, jobs, id))
  }

  /** Ends a run of this process. Returns false if this process has lost the run. */
  async end(id: string, ending: transitions.Ending, events: readonly AuditEvent[]): Promise<boolean> {
    const own = this.#owned.get(id)
    if (!own) return this.#record(events)
    const report = { ending: this.#onDatabaseClock(ending), events }
    const hasEnded = await this.#ends.ask({ id, claim: own.claim, ...report })
    this.#letGo(own)
    return hasEnded
  }

  /** Converts the due time of the confirming listing to the clock that all replicas share. */
  #onDatabaseClock(ending: transitions.Ending): transitions.Ending {
    if (ending.status === 'failed' || ending.verificationDueAt === null) return ending
    return { ...ending, verificationDueAt: this.#options.databaseClock.toDatabase(ending.verificationDueAt) }
  }

  async putBack(id: string, waiting: transitions.Waiting, events: readonly AuditEvent[]): Promise<void> {
    const { audit, jobs, now } = this.#options
    const own = this.#owned.get(id)
    if (!own) return void (await this.#record(events))
    await audit.transaction((query, note) => {
      note(events, now())
      return putBack(query, jobs, own, waiting, now())
    })
    this.#letGo(own)
  }

  async progress(id: string, tokens: TokenCounts, events: readonly AuditEvent[]): Promise<void> {
    const own = this.#owned.get(id)
    if (own) await this.#progress.ask({ id, claim: own.claim, tokens, events })
    else await this.#record(events)
  }

  /** Records what a run did that this process has lost. @returns false: the run itself is not changed */
  async #record(events: readonly AuditEvent[]): Promise<false> {
    const { audit, now } = this.#options
    if (events.length > 0) await audit.transaction(async (_, note) => note(events, now()))
    return false
  }

  /** See `RevocationStore.lockUsers`. */
  async lockUsers(id: string, userIds: readonly string[], urgency: number): Promise<boolean> {
    const own = this.#owned.get(id)
    if (!own) return false
    const { claim, tenant } = own
    const isLocked = await this.#locks.ask({ id, claim, tenant, userIds, urgency })
    if (isLocked) own.userIds = userIds
    return isLocked
  }

  /** A run was cancelled, and becomes `overtaken`. */
  lose(id: string): void {
    const own = this.#owned.get(id)
    if (own) this.#lost.add(own)
  }

  /** See `RevocationStore.overtaken`. */
  async overtaken(): Promise<string[]> {
    const owned = [...this.#owned.values()]
    const overtaken = owned.length > 0 ? await this.#sql.overtaken(owned.map(({ id }) => id)) : []
    const displaced = await this.#userLocks.displaced(
      owned.flatMap(({ id, claim, tenant, userIds }) =>
        userIds.map((userId) => ({ id, claim, tenant, user_id: userId })),
      ),
    )
    // Excludes runs that have ended or were claimed again since.
    const gone = [...this.#lost].filter((own) => this.#letGo(own)).map(({ id }) => id)
    this.#lost.clear()
    return [...new Set([...gone, ...overtaken, ...displaced])]
  }

  /** Sends heartbeats, finds runs that this process has lost, and settles jobs that were lost too often. */
  async beat(): Promise<void> {
    const { audit, jobs, now } = this.#options
    await jobs.touch([...this.#owned.values()])
    const before = new Map(this.#owned)
    const claims = new Map([...before].map(([id, own]) => [id, own.claim]))
    for (const id of claims.size > 0 ? await this.#sql.lost(claims) : []) {
      const own = before.get(id)
      if (own) this.#lost.add(own)
    }
    await jobs.eachLost(async (id) => {
      const isSettled = await audit.transaction((query, note) =>
        giveUp(query, jobs, { id, now: now() }, note),
      )
      if (!isSettled) await this.#setAside(id)
    })
  }

  /** Forgets a run, unless this process has claimed the revocation again since. */
  #letGo(own: Owned): boolean {
    return this.#owned.get(own.id) === own && this.#owned.delete(own.id)
  }
}

function shareUsers(one: UserLocks, other: UserLocks): boolean {
  return one.tenant === other.tenant && one.userIds.some((userId) => other.userIds.includes(userId))
}
