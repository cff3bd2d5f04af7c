import { randomUUID } from 'node:crypto'
import type { AuditEvent, NoteEvents } from '../../revocation/audit/entry.ts'
import { decisionEvent, endEvents, proofEvents, retryEvent } from '../../revocation/audit/events.ts'
import { queueKey, userKey } from '../../revocation/keys.ts'
import type { Origin } from '../../revocation/origin.ts'
import { GIVE_UP_AFTER_MS } from '../../revocation/retry-policy.ts'
import { isSettled, type Revocation, type TokenCounts } from '../../revocation/revocation.ts'
import type { SignalTime } from '../../revocation/signal-time.ts'
import * as transitions from '../../revocation/transitions.ts'
import type { Query } from './database.ts'
import type { PostgresJobs } from './jobs.ts'
import { type Claimed, postgresStatements } from './statements.ts'
import { userLocks } from './user-locks.ts'

// The state changes of revocations. The row and the job of a revocation change in the same transaction of the caller.

export interface EndingOf extends Claimed {
  ending: transitions.Ending
  /** See `RevocationStore.end`. */
  events: readonly AuditEvent[]
}

export interface ProgressOf extends Claimed {
  tokens: TokenCounts
  events: readonly AuditEvent[]
}

/**
 * Ends runs with valid claims, and creates jobs for the revocations parked behind them.
 * @returns the ids of the ended runs
 */
export async function endTogether(
  query: Query,
  jobs: PostgresJobs,
  endings: readonly EndingOf[],
  note: NoteEvents,
  now: number,
): Promise<Set<string>> {
  const sql = postgresStatements(query)
  const byId = new Map(endings.map(({ id, ending }) => [id, ending]))
  const running = await sql.findClaimed(endings)
  const ended = running.flatMap((one) => {
    const ending = byId.get(one.id)
    return ending ? [transitions.end(one, ending)] : []
  })
  const ids = ended.map(({ id }) => id)
  for (const { events } of endings) note(events, now)
  await sql.saveAll(ended)
  for (const one of ended) note(endEvents(one, byId.get(one.id)?.history), now)
  await confirmOlder(query, ended, note, now)
  await sql.notifyEnded(ended.map(({ tenant, user }) => userKey(tenant, user)))
  await userLocks(query).release(ids)
  await jobs.remove(query, ids)
  await jobs.add(query, await sql.unpark(ids))
  return new Set(ids)
}

/** Confirms older revocations of the same users by the proofs of settled ones. */
export async function confirmOlder(
  query: Query,
  revocations: readonly Revocation[],
  note: NoteEvents,
  now: number,
): Promise<void> {
  const settled = revocations.filter((one) => one.status === 'completed' && isSettled(one))
  if (settled.length === 0) return
  const sql = postgresStatements(query)
  const older = await sql.unconfirmedOf(settled.map(({ id }) => id))
  const confirmed = older.flatMap((one) => {
    const newer = settled.filter((other) => queueKey(other) === queueKey(one))
    return newer.map((other) => transitions.confirmBy(one, other)).find((found) => found !== null) ?? []
  })
  note(confirmed.flatMap(proofEvents), now)
  await sql.saveAll(confirmed)
}

/**
 * Records the progress of runs with valid claims. Rows locked by another transaction are skipped: most of them are runs
 * that are ending, which write their own counts.
 */
export async function progressTogether(query: Query, progress: readonly ProgressOf[]): Promise<void> {
  const sql = postgresStatements(query)
  const byId = new Map(progress.map(({ id, tokens }) => [id, tokens]))
  const running = await sql.findClaimedUnlocked(progress)
  await sql.saveAll(running.map((one) => transitions.progress(one, byId.get(one.id) ?? one.tokens)))
}

/** See `RevocationStore.measure`. */
export async function measure(
  query: Query,
  ids: readonly string[],
  resolve: (time: SignalTime) => SignalTime,
): Promise<void> {
  const sql = postgresStatements(query)
  const waiting = await sql.waitingById(ids)
  await sql.saveAll(waiting.map((one) => transitions.measureTime(one, resolve)))
}

/**
 * Puts a run back into the queue, joined with the revocation queued behind it. Has no effect if its claim is invalid.
 */
export async function putBack(
  query: Query,
  jobs: PostgresJobs,
  own: Claimed,
  waiting: transitions.Waiting,
  now: number,
): Promise<void> {
  const sql = postgresStatements(query)
  const [running] = await sql.findClaimed([own])
  if (!running) return
  await requeue(query, jobs, transitions.putBack(running, waiting, await sql.queuedOf(running)), now)
}

/** Queues a revocation with a job. A revocation that has joined it is deleted, and its id refers to the queued one. */
export async function requeue(
  query: Query,
  jobs: PostgresJobs,
  { queued, absorbed }: transitions.Queued,
  now: number,
): Promise<Revocation> {
  const sql = postgresStatements(query)
  if (absorbed) {
    await sql.noteJoined(absorbed.id, queued.id)
    await sql.remove(absorbed.id)
  }
  await sql.save(queued)
  await userLocks(query).release([queued.id])
  await jobs.remove(query, absorbed ? [queued.id, absorbed.id] : [queued.id])
  await jobs.addWaiting(query, [queued], now)
  return queued
}

/** See `RevocationStore.retry`. */
export async function retry(
  query: Query,
  jobs: PostgresJobs,
  { id, now, origin }: { id: string; now: number; origin: Origin | undefined },
  note: NoteEvents,
): Promise<Revocation | null> {
  const sql = postgresStatements(query)
  const revocation = await sql.find(id, 'FOR UPDATE')
  if (!revocation) return null
  const other = ['queued', 'running'].includes(revocation.status) ? null : await sql.queuedOf(revocation)
  const result = transitions.retry(revocation, other, now)
  const { answer, change } = result
  note([retryEvent(revocation, result, origin)], now)
  if (change === 'none') return answer
  if (change === 'queued') {
    await jobs.remove(query, [answer.id])
    await jobs.add(query, [answer])
  } else await jobs.hasten(query, answer, true)
  if (change === 'widened') await sql.save(result.superseded)
  return sql.save(answer)
}

interface Withdraw {
  id: string
  now: number
  force: boolean
  only?: transitions.Found
  origin: Origin | undefined
}

/** See `RevocationStore.withdraw`. Other processes are notified, because one of them may run it. */
export async function withdraw(
  query: Query,
  jobs: PostgresJobs,
  { id, now, force, only, origin }: Withdraw,
  note: NoteEvents,
): Promise<Revocation | null> {
  const sql = postgresStatements(query)
  const revocation = await sql.find(id, 'FOR UPDATE')
  if (!revocation || !transitions.isStill(revocation, only)) return null
  const cancelled = transitions.withdraw(revocation, { now, force, by: origin?.name ?? null })
  if (cancelled === revocation) return revocation
  await sql.save(cancelled)
  note([decisionEvent('cancelled', cancelled, { into: cancelled.id, origin })], now)
  await sql.notifyWithdrawn(cancelled.id)
  await sql.notifyEnded([userKey(cancelled.tenant, cancelled.user)])
  await userLocks(query).release([cancelled.id])
  await jobs.remove(query, [cancelled.id])
  if (revocation.status === 'running') await jobs.add(query, await sql.unpark([cancelled.id]))
  return cancelled
}

/** Removes a job whose revocation cannot run now. If another run of its user is in the way, parks the revocation. */
export async function setAside(query: Query, jobs: PostgresJobs, id: string): Promise<void> {
  const sql = postgresStatements(query)
  const running = await sql.runningFor(id)
  const revocation = await sql.find(id, 'FOR UPDATE')
  // A retry made its job due during the claim, so the job belongs to that run.
  if (revocation?.id === id && revocation.status === 'running') return
  await jobs.remove(query, [id])
  if (revocation?.id !== id || revocation.status !== 'queued') return
  if (running) await sql.park(id)
  else await jobs.add(query, [revocation])
}

const LOST = {
  code: 'CURFEW_RUN_LOST',
  detail: 'Every process that ran it stopped or lost its database connection before the run finished.',
} as const

/**
 * Handles a job that pg-boss has given up because its processes were lost repeatedly. The revocation is queued again,
 * or fails after 24 hours without progress.
 * @returns false if the revocation cannot be claimed, because another one of the same user runs
 */
export async function giveUp(
  query: Query,
  jobs: PostgresJobs,
  { id, now }: { id: string; now: number },
  note: NoteEvents,
): Promise<boolean> {
  const claim = randomUUID()
  const sql = postgresStatements(query)
  const [lost] = await sql.claimable([id], [id])
  if (!lost) return false
  const running = transitions.claim(lost, now)
  await sql.saveAll([running], claim)
  const failingSince = running.failingSince ?? now
  if (now - failingSince > GIVE_UP_AFTER_MS) {
    const ending = { ...running, status: 'failed', error: LOST, completedAt: now } as const
    await endTogether(query, jobs, [{ id, claim, ending, events: [] }], note, now)
  } else {
    const waiting = { ...running, attempts: lost.attempts, failingSince, error: LOST }
    await putBack(query, jobs, { id, claim }, waiting, now)
  }
  return true
}
