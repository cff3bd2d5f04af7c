import { randomUUID } from 'node:crypto'
import { CurfewError } from '../../errors.ts'
import { join, userKey } from '../../revocation/coalesce.ts'
import type { Revocation } from '../../revocation/revocation.ts'
import type { Waiting } from '../../revocation/store.ts'
import type { Query } from './database.ts'
import type { PostgresJobs } from './jobs.ts'
import { type Ending, postgresStatements } from './statements.ts'

// What becomes of a revocation: its row and its job change together, each of these in one transaction of the caller's.

const LOST = {
  code: 'CURFEW_RUN_LOST',
  detail: 'Every process that ran it ended, or was cut off from the database, before it was done.',
} as const

/** Ends runs whose claims are still good, and lets those go on that waited for them. Answers which of them have ended. */
export async function endTogether(
  query: Query,
  jobs: PostgresJobs,
  endings: readonly Ending[],
): Promise<Set<string>> {
  const sql = postgresStatements(query)
  const ended = await sql.end(endings)
  await jobs.remove(query, ended)
  await jobs.add(query, await sql.unpark(ended))
  return new Set(ended)
}

/** Puts a run back into the queue, joined with what was queued behind it; nothing where its claim is not good any more. */
export async function putBack(
  query: Query,
  jobs: PostgresJobs,
  { id, claim }: { id: string; claim: string },
  waiting: Waiting,
  now: number,
): Promise<void> {
  const sql = postgresStatements(query)
  const running = await sql.findClaimed(id, claim)
  if (!running) return
  const newer = await sql.queuedOf(running)
  const older: Revocation = { ...running, ...waiting, status: 'queued' }
  if (newer) {
    await sql.noteJoined(newer.id, id)
    await sql.remove(newer.id)
  }
  const queued = await sql.save(newer ? join(older, newer) : older)
  await jobs.remove(query, newer ? [id, newer.id] : [id])
  await jobs.addWaiting(query, [queued], now)
}

/** See `RevocationStore.retry`. */
export async function retry(query: Query, jobs: PostgresJobs, id: string): Promise<Revocation | null> {
  const sql = postgresStatements(query)
  const revocation = await sql.find(id, 'FOR UPDATE')
  if (!revocation || revocation.status === 'running') return revocation
  if (revocation.status === 'completed' && revocation.verified) throw new CurfewError('CURFEW_NOT_RETRYABLE')
  const renewed = { fruitless: 0, nextAttemptAt: null, failingSince: null }
  const queued = revocation.status === 'queued' ? revocation : await sql.queuedOf(revocation)
  if (queued) {
    const widened = queued === revocation ? queued : join(queued, revocation)
    await jobs.hasten(query, widened, true)
    return sql.save({ ...widened, ...renewed })
  }
  await jobs.remove(query, [revocation.id])
  await jobs.add(query, [revocation])
  return sql.save({ ...revocation, ...renewed, status: 'queued', outcome: null, completedAt: null })
}

/** A job whose revocation cannot run now: it waits for another run of its user, or is no more. */
export async function setAside(query: Query, jobs: PostgresJobs, id: string): Promise<void> {
  const sql = postgresStatements(query)
  const running = await sql.runningFor(id)
  const revocation = await sql.find(id, 'FOR UPDATE')
  // Its job was made due by hand while it was being claimed: it is the job of that run.
  if (revocation?.id === id && revocation.status === 'running') return
  await jobs.remove(query, [id])
  if (revocation?.id !== id || revocation.status !== 'queued') return
  if (running) await sql.park(id)
  else await jobs.add(query, [revocation])
}

/** pg-boss has given up the job, so the revocation fails, too. False where it never ran: one of the same user does. */
export async function giveUp(query: Query, jobs: PostgresJobs, id: string, now: number): Promise<boolean> {
  const claim = randomUUID()
  const [lost] = await postgresStatements(query).claim([id], [id], claim, now)
  if (!lost) return false
  const own = { id, claim, userKey: userKey(lost.tenant, lost.user) }
  await endTogether(query, jobs, [
    { ...own, status: 'failed', error: LOST, tokens: lost.tokens, completedAt: now },
  ])
  return true
}
