import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import { userKey } from '../../revocation/coalesce.ts'
import type { Revocation, TokenCounts } from '../../revocation/revocation.ts'
import type { ClaimRequest, Waiting } from '../../revocation/store.ts'
import { Batches } from './batches.ts'
import { endTogether, giveUp, putBack, setAside } from './changes.ts'
import type { PostgresDatabase } from './database.ts'
import type { Job, PostgresJobs } from './jobs.ts'
import { type Ending, postgresStatements } from './statements.ts'

/** A run of this process: its claim in our row, and its job. */
interface Held extends Job {
  claim: string
  userKey: string
}

/** Under load, notifications come faster than claims are worth: what comes meanwhile is claimed together. */
const CLAIM_EVERY_MS = 5
const ENDED_AT_ONCE = 200

export interface RunsOptions {
  database: PostgresDatabase
  jobs: PostgresJobs
  /** ms since the epoch. */
  now: () => number
  log: Log
}

/** The revocations that this process has claimed, and still owns as far as it knows. */
export class PostgresRuns {
  readonly #options: RunsOptions
  readonly #sql: ReturnType<typeof postgresStatements>
  readonly #held = new Map<string, Held>()
  readonly #lost = new Set<Held>()
  readonly #ends: Batches<Ending, boolean>
  #claimNotBefore = 0

  constructor(options: RunsOptions) {
    const { database, jobs } = options
    this.#options = options
    this.#sql = postgresStatements(database.query)
    this.#ends = new Batches({
      run: async (endings: readonly Ending[]) => {
        const ended = await database.transaction((query) => endTogether(query, jobs, endings))
        return endings.map(({ id }) => ended.has(id))
      },
      concurrency: 2,
      largest: ENDED_AT_ONCE,
    })
  }

  /** See `RevocationStore.claim`. */
  async claim({ now, room }: ClaimRequest): Promise<Revocation[]> {
    const { jobs } = this.#options
    const wait = this.#claimNotBefore - performance.now()
    if (wait > 0) await delay(wait)
    const due = await jobs.dueReasons()
    const fetched = await Promise.all(due.map((reason) => jobs.fetch(reason, room[reason])))
    this.#claimNotBefore = performance.now() + CLAIM_EVERY_MS
    return this.#mark(fetched.flat(), now)
  }

  async #mark(fetched: readonly Job[], now: number): Promise<Revocation[]> {
    if (fetched.length === 0) return []
    const claim = randomUUID()
    const ids = fetched.map(({ id }) => id)
    const again = fetched.filter(({ retryCount }) => retryCount > 0).map(({ id }) => id)
    const claimed = new Map((await this.#sql.claim(ids, again, claim, now)).map((one) => [one.id, one]))
    for (const { id, retryCount } of fetched) {
      const one = claimed.get(id)
      if (one) this.#held.set(id, { id, retryCount, claim, userKey: userKey(one.tenant, one.user) })
    }
    // Those that were claimed are to run, whatever becomes of the others: nobody touches their jobs, so they come again.
    for (const id of ids.filter((id) => !claimed.has(id))) {
      const { log } = this.#options
      await this.#setAside(id).catch((error) => log.warn({ err: error, id }, 'a job could not be set aside'))
    }
    return ids.map((id) => claimed.get(id)).filter((one) => one !== undefined)
  }

  #setAside(id: string): Promise<void> {
    const { database, jobs } = this.#options
    return database.transaction((query) => setAside(query, jobs, id))
  }

  /** Ends a run of this process, and tells whether that had an effect; on what it has lost, others report. */
  async end(id: string, ending: (own: Held) => Ending): Promise<boolean> {
    const own = this.#held.get(id)
    if (!own) return false
    const hasEnded = await this.#ends.ask(ending(own))
    this.#letGo(own)
    return hasEnded
  }

  async putBack(id: string, waiting: Waiting): Promise<void> {
    const { database, jobs, now } = this.#options
    const own = this.#held.get(id)
    if (!own) return
    await database.transaction((query) => putBack(query, jobs, own, waiting, now()))
    this.#letGo(own)
  }

  async progress(id: string, tokens: TokenCounts): Promise<void> {
    const own = this.#held.get(id)
    if (own) await this.#sql.progress(id, own.claim, tokens)
  }

  /** See `RevocationStore.overtaken`. */
  async overtaken(): Promise<string[]> {
    const overtaken = this.#held.size > 0 ? await this.#sql.overtaken([...this.#held.keys()]) : []
    // One that has ended since, or was claimed anew, is not meant.
    const gone = [...this.#lost].filter((own) => this.#letGo(own)).map(({ id }) => id)
    this.#lost.clear()
    return [...gone, ...overtaken]
  }

  /** Says that this process lives, finds out what it has lost, and settles what all have lost too often. */
  async beat(): Promise<void> {
    const { database, jobs, now } = this.#options
    await jobs.touch([...this.#held.values()])
    const before = new Map(this.#held)
    const claims = new Map([...before].map(([id, own]) => [id, own.claim]))
    for (const id of claims.size > 0 ? await this.#sql.lost(claims) : []) {
      const own = before.get(id)
      if (own) this.#lost.add(own)
    }
    await jobs.eachLost(async (id) => {
      const isSettled = await database.transaction((query) => giveUp(query, jobs, id, now()))
      if (!isSettled) await this.#setAside(id)
    })
  }

  /** Meanwhile it may have been claimed anew, which is not meant. */
  #letGo(own: Held): boolean {
    return this.#held.get(own.id) === own && this.#held.delete(own.id)
  }
}
