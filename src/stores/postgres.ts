import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { CurfewError } from '../errors.ts'
import { join, userKey } from '../revocation/coalesce.ts'
import type { Revocation } from '../revocation/revocation.ts'
import { REASONS } from '../revocation/signal.ts'
import { REPLAY_WINDOW_MS, type RevocationStore, type Waiting, type Watcher } from '../revocation/store.ts'
import type { WorkerLog } from '../revocation/worker.ts'
import { Batches } from './batches.ts'
import { type AcceptRequest, acceptTogether } from './postgres-accept.ts'
import { PostgresDatabase, type Query } from './postgres-database.ts'
import { type Job, PostgresJobs } from './postgres-jobs.ts'
import { PostgresListener } from './postgres-listener.ts'
import { migrate } from './postgres-migrations.ts'
import { PostgresPermits } from './postgres-permits.ts'
import { postgresSessions } from './postgres-sessions.ts'
import { ENDED_CHANNEL, type Ending, PARKED_CHANNEL, postgresStatements } from './postgres-statements.ts'

/** A run of this process: its claim in our row, and its job. */
interface Held extends Job {
  claim: string
  userKey: string
}

/** How often this process says that it lives, and looks for what no notification tells: what others have lost. */
const TICK_MS = 2_000
/** Under load, notifications come faster than claims are worth: what comes meanwhile is claimed together. */
const CLAIM_EVERY_MS = 5
const TOGETHER_AT_MOST = 200
const LOST = {
  code: 'CURFEW_RUN_LOST',
  detail: 'Every process that ran it ended, or was cut off from the database, before it was done.',
} as const

export interface PostgresStoreOptions {
  /** Connections open at most, besides the one that listens. */
  connections: number
  /** ms since the epoch: how long a time that comes from the worker is away. */
  now: () => number
  log: WorkerLog
}

/**
 * The store for several replicas, in PostgreSQL; pg-boss carries the work. See `RevocationStore` for what each method
 * promises, and `docs/architecture.md` for how a row and its job agree.
 * @throws CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function openPostgresStore(
  url: string,
  options: PostgresStoreOptions,
): Promise<RevocationStore & { permits: PostgresPermits }> {
  const { connections, now: clockNow, log } = options
  const database = new PostgresDatabase(url, connections)
  const listener = new PostgresListener(url)
  let watcher: Watcher = { onWork: () => {}, onEnded: () => {} }
  const onWork = () => watcher.onWork()
  const jobs = new PostgresJobs(database, listener, { log, onWork })
  const sql = postgresStatements(database.query)
  const sessions = postgresSessions(database.query)
  const held = new Map<string, Held>()
  const lost = new Set<string>()
  let closed = false
  let claimNotBefore = 0
  let timer: NodeJS.Timeout | undefined

  const accepts = new Batches({
    run: (requests: readonly AcceptRequest[]) =>
      database.transaction((query) => acceptTogether(query, jobs, requests)),
    concurrency: 2,
    largest: TOGETHER_AT_MOST,
    fits: ({ replay }, batch) => !replay || batch.every((other) => other.replay?.key !== replay.key),
  })

  const ends = new Batches({
    run: (endings: readonly Ending[]) =>
      database.transaction(async (query) => {
        const ended = await endTogether(query, endings)
        return endings.map(({ id }) => ended.includes(id))
      }),
    concurrency: 2,
    largest: TOGETHER_AT_MOST,
  })

  async function endTogether(query: Query, endings: readonly Ending[]): Promise<string[]> {
    const inTransaction = postgresStatements(query)
    const ended = await inTransaction.end(endings)
    await jobs.remove(query, ended)
    await jobs.add(query, await inTransaction.unpark(ended))
    return ended
  }

  /** Ends a run of this process; what it has lost, others report on. */
  async function end(id: string, ending: (own: Held) => Ending): Promise<boolean> {
    const own = held.get(id)
    if (!own) return false
    const isEnded = await ends.ask(ending(own))
    held.delete(id)
    return isEnded
  }

  async function claim(fetched: readonly Job[], now: number): Promise<Revocation[]> {
    if (fetched.length === 0) return []
    const ownClaim = randomUUID()
    const ids = fetched.map(({ id }) => id)
    const again = fetched.filter(({ retryCount }) => retryCount > 0).map(({ id }) => id)
    const claimed = new Map((await sql.claim(ids, again, ownClaim, now)).map((one) => [one.id, one]))
    for (const { id, retryCount } of fetched) {
      const one = claimed.get(id)
      if (one) held.set(id, { id, retryCount, claim: ownClaim, userKey: userKey(one.tenant, one.user) })
      else await setAside(id)
    }
    return ids.map((id) => claimed.get(id)).filter((one) => one !== undefined)
  }

  /** A job whose revocation cannot run now: it waits for another run of its user, or is no more. */
  function setAside(id: string): Promise<void> {
    return database.transaction(async (query) => {
      const inTransaction = postgresStatements(query)
      const running = await inTransaction.runningFor(id)
      const revocation = await inTransaction.find(id, 'FOR UPDATE')
      // Its job was made due by hand while it was being claimed: it is the job of that run.
      if (revocation?.id === id && revocation.status === 'running') return
      await jobs.remove(query, [id])
      if (revocation?.id !== id || revocation.status !== 'queued') return
      if (running) await inTransaction.park(id)
      else await jobs.add(query, [revocation])
    })
  }

  function putBack({ id, claim: ownClaim }: Held, waiting: Waiting): Promise<void> {
    return database.transaction(async (query) => {
      const inTransaction = postgresStatements(query)
      const running = await inTransaction.findClaimed(id, ownClaim)
      if (!running) return
      const newer = await inTransaction.queuedOf(running)
      const older: Revocation = { ...running, ...waiting, status: 'queued' }
      if (newer) {
        await inTransaction.noteJoined(newer.id, id)
        await inTransaction.remove(newer.id)
      }
      const queued = await inTransaction.save(newer ? join(older, newer) : older)
      await jobs.remove(query, newer ? [id, newer.id] : [id])
      await jobs.add(query, [queued], Math.max(0, (queued.nextAttemptAt ?? 0) - clockNow()))
    })
  }

  function retry(id: string): Promise<Revocation | null> {
    return database.transaction(async (query) => {
      const inTransaction = postgresStatements(query)
      const revocation = await inTransaction.find(id, 'FOR UPDATE')
      if (!revocation || revocation.status === 'running') return revocation
      if (revocation.status === 'completed' && revocation.verified)
        throw new CurfewError('CURFEW_NOT_RETRYABLE')
      const renewed = { fruitless: 0, nextAttemptAt: null, failingSince: null }
      const queued = revocation.status === 'queued' ? revocation : await inTransaction.queuedOf(revocation)
      if (queued) {
        const widened = queued === revocation ? queued : join(queued, revocation)
        await jobs.hasten(query, widened, true)
        return inTransaction.save({ ...widened, ...renewed })
      }
      await jobs.remove(query, [revocation.id])
      await jobs.add(query, [revocation])
      return inTransaction.save({
        ...revocation,
        ...renewed,
        status: 'queued',
        outcome: null,
        completedAt: null,
      })
    })
  }

  /** Says that this process lives, finds out what it has lost, and lets the worker look. */
  async function tick(): Promise<void> {
    try {
      await jobs.touch([...held.values()])
      const claims = new Map([...held].map(([id, own]) => [id, own.claim]))
      for (const id of claims.size > 0 ? await sql.lost(claims) : []) {
        // One that has ended meanwhile, or was claimed anew, is not meant.
        if (held.get(id)?.claim === claims.get(id)) lost.add(id)
      }
      await jobs.eachLost(giveUp)
    } catch (error) {
      log.warn({ err: error }, 'the database did not take the heartbeat; will try again')
    }
    onWork()
    if (!closed) timer = setTimeout(tick, TICK_MS)
  }

  /** pg-boss has given up the job, so our row says so, too. */
  function giveUp(id: string): Promise<void> {
    return database.transaction(async (query) => {
      const ownClaim = randomUUID()
      const now = clockNow()
      const [lostOne] = await postgresStatements(query).claim([id], [id], ownClaim, now)
      if (!lostOne) return
      const { tenant, user, tokens } = lostOne
      const own = { id, claim: ownClaim, userKey: userKey(tenant, user) }
      await endTogether(query, [{ ...own, status: 'failed', error: LOST, tokens, completedAt: now }])
    })
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
  timer = setTimeout(tick, TICK_MS)

  return {
    permits: new PostgresPermits(database.query),

    async accept(signals, replay, now) {
      const result = await accepts.ask({ signals, replay, now })
      if (!result.ok) throw result.error
      return result.accepted
    },

    async claim({ now, room }) {
      const wait = claimNotBefore - performance.now()
      if (wait > 0) await delay(wait)
      const fetched = await Promise.all(REASONS.map((reason) => jobs.fetch(reason, room[reason])))
      claimNotBefore = performance.now() + CLAIM_EVERY_MS
      return claim(fetched.flat(), now)
    },

    nextDueAt: (now) => sql.nextDueAt(now),

    complete: (id, completion) => end(id, (own) => ({ ...own, status: 'completed', ...completion })),

    fail: (id, error, tokens, completedAt) =>
      end(id, (own) => ({ ...own, status: 'failed', error, tokens, completedAt })),

    async putBack(id, waiting) {
      const own = held.get(id)
      if (!own) return
      await putBack(own, waiting)
      held.delete(id)
    },

    async progress(id, tokens) {
      const own = held.get(id)
      if (own) await sql.progress(id, own.claim, tokens)
    },

    retry: (id) => retry(id),

    get: (id) => sql.find(id),

    async list(query) {
      const found = await sql.list({ ...query, limit: query.limit + 1 })
      const items = found.slice(0, query.limit)
      return { items, nextCursor: found.length > items.length ? (items.at(-1)?.id ?? null) : null }
    },

    async overtaken() {
      for (const id of lost) held.delete(id)
      const overtaken = held.size > 0 ? await sql.overtaken([...held.keys()]) : []
      const ids = [...lost, ...overtaken]
      lost.clear()
      return ids
    },

    watch: (told) => {
      watcher = told
    },

    // What another process left running is claimed again when it has not been heard of for a while.
    recover: async () => 0,

    noteSession: (session) => database.transaction((query) => postgresSessions(query).note(session)),

    findSession: sessions.find,

    forgetSession: (tenant, sid) =>
      database.transaction((query) => postgresSessions(query).forget(tenant, sid)),

    async purge(endedBefore, now) {
      let purged = 0
      for (;;) {
        const some =
          (await sql.purgeSome(endedBefore, now - REPLAY_WINDOW_MS)) + (await sessions.purgeSome(now))
        if (some === 0) return purged
        purged += some
      }
    },

    backlog: () => sql.backlog(),

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
