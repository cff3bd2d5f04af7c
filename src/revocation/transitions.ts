import { CurfewError } from '../base/errors.ts'
import { isVerified, Revocation, type TokenCounts } from './revocation.ts'
import { type Signal, urgencyOf } from './signal.ts'
import * as times from './signal-time.ts'

/**
 * Everything that changes a revocation, as pure functions from (state, event, time) to the new state. Both stores apply
 * them, each within one transaction; the statements around them only find and write rows.
 *
 * | State | Event | Next state | Function |
 * |---|---|---|---|
 * | – | signal | queued | `newRevocation` |
 * | queued | signal for the same user and device type | queued, wider | `join` |
 * | queued | due, and none of the same user runs | running | `claim` |
 * | running, its process is gone | claimed again | running | `claim` |
 * | running | some tokens are revoked | running | `progress` |
 * | running | the first listing without a token in scope | completed, a confirming listing is due | `end` |
 * | running | a final error, or 24 hours without progress | failed | `end` |
 * | running | a failed attempt, a shutdown, a more urgent signal | queued; a newer queued one joins it | `putBack` |
 * | completed, confirming listing due | it shows no token in scope | completed, verified if the proof says so | `confirm` |
 * | completed, confirming listing due | it shows a token in scope | queued, same id; a newer queued one joins it | `confirm` |
 * | completed, confirming listing due | it fails | completed, due again; after 24 hours unverified for good | `confirm` |
 * | completed, confirming listing due | a newer one of the same user is confirmed | completed, with its proof | `confirmBy` |
 * | completed, confirming listing due | retry | unchanged | `retry` |
 * | failed, or completed and unverified | retry | queued, same id | `retry` |
 * | the same, another one is queued | retry | as before, superseded by the other, which is widened | `retry` |
 * | queued | retry | queued, due at once | `retry` |
 * | running | retry | unchanged | `retry` |
 * | completed and verified | retry | refused | `retry` |
 */

const INITIAL = initialValues()

/** The defaults of all members: a revocation to which nothing has happened yet. */
function initialValues(): Omit<Revocation, Exclude<keyof Signal, 'signalTime'> | 'id'> {
  const signal = { tenant: '', user: { kind: 'userId', value: '' }, source: '', reason: 'logout' }
  const times = { scope: 'all', deviceType: null, occurredAt: 0, acceptedAt: 0 }
  const { id: _, ...all } = Revocation.parse({ id: '', ...signal, ...times })
  return all
}

/** A new revocation for a signal that found none to join. */
export function newRevocation(id: string, signal: Signal): Revocation {
  const { signalTime = null, occurredAt: signalTimeOf, acceptedAt: dueAt } = signal
  return { ...INITIAL, ...signal, signalTime, signalTimeOf, id, dueAt }
}

/**
 * A queued revocation after one more signal for the same user and device type joined it: the latest time, the highest urgency
 * and the widest scope win, and it may fail for another 24 hours. When it is due does not change.
 */
export function join(queued: Revocation, signal: Signal | Revocation): Revocation {
  return {
    ...queued,
    reason: urgencyOf(signal.reason) < urgencyOf(queued.reason) ? signal.reason : queued.reason,
    scope: signal.scope === 'all' ? 'all' : queued.scope,
    occurredAt: Math.max(queued.occurredAt, signal.occurredAt),
    ...joinTimes(queued, signal),
    failingSince: null,
  }
}

/** The later of both times, and the `occurredAt` that it covers. */
function joinTimes(
  queued: Revocation,
  signal: Signal | Revocation,
): Pick<Revocation, 'signalTime' | 'signalTimeOf'> {
  const { signalTime: joinedTime = null } = signal
  // A signal's own time covers it; that of a revocation may not.
  const joining = { signalTimeOf: signal.occurredAt, ...signal, signalTime: joinedTime }
  const signalTime = times.join(signalTimeOf(queued), signalTimeOf(joining))
  return { signalTime, signalTimeOf: Math.max(queued.occurredAt, signal.occurredAt) }
}

/** The time of a revocation's signals, also where a version without such times has accepted one of them. */
export function signalTimeOf({
  signalTime,
  signalTimeOf,
  occurredAt,
}: Pick<Revocation, 'signalTime' | 'signalTimeOf' | 'occurredAt'>): times.SignalTime {
  const isCovered = signalTime !== null && signalTimeOf !== null && signalTimeOf >= occurredAt
  return isCovered ? signalTime : times.join(signalTime ?? times.UNLINKED, times.UNLINKED)
}

/** The time of a queued revocation is measured better. */
export function measure(
  queued: Revocation,
  resolve: (time: times.SignalTime) => times.SignalTime,
): Revocation {
  return { ...queued, signalTime: resolve(signalTimeOf(queued)), signalTimeOf: queued.occurredAt }
}

/** A process begins an attempt, or another one begins it again after the first was lost. */
export function claim(revocation: Revocation, now: number): Revocation {
  return {
    ...revocation,
    status: 'running',
    attempts: revocation.attempts + 1,
    startedAt: revocation.startedAt ?? now,
    nextAttemptAt: null,
    backoffMs: null,
  }
}

/** A run is so far. What makes progress has not been failing. */
export function progress(running: Revocation, tokens: TokenCounts): Revocation {
  const gone = (counts: TokenCounts) => counts.revoked + counts.alreadyGone
  const failingSince = gone(tokens) > gone(running.tokens) ? null : running.failingSince
  return { ...running, tokens, failingSince }
}

/** The time of the signals as an attempt or a listing has measured it; left out where it has not. */
export type MeasuredTime = Partial<Pick<Revocation, 'signalTime' | 'signalTimeOf'>>

/** What an attempt has found out, however it ended. */
export type Findings = Pick<Revocation, 'tokens' | 'undecided' | 'resolved'> & MeasuredTime

/** How a run ends. `verificationDueAt`: when the confirming listing is due, or null where it was that already. */
export type Ending = Findings & { completedAt: number } & (
    | ({ status: 'completed' } & Pick<Revocation, 'outcome' | 'proof' | 'verificationDueAt'>)
    | ({ status: 'failed' } & Pick<Revocation, 'error'>)
  )

/** A run ends. */
export function end(running: Revocation, ending: Ending): Revocation {
  const neutral = { error: null, fruitless: 0, failingSince: null, supersededBy: null, verified: false }
  const ended = { ...running, ...neutral, ...ending }
  return { ...ended, verified: isVerified(ended) }
}

/** What a revocation that goes back into the queue takes along. */
export type Waiting = Findings &
  Pick<Revocation, 'attempts' | 'fruitless' | 'failingSince' | 'error' | 'nextAttemptAt' | 'backoffMs'>

/** A revocation that waits, and the one that has joined it: its id leads to the first from then on. */
export interface Queued {
  queued: Revocation
  absorbed: Revocation | null
}

/** A run goes back into the queue. `newer` is the one that is queued behind it. */
export function putBack(running: Revocation, waiting: Waiting, newer: Revocation | null): Queued {
  return enqueue({ ...running, ...waiting, dueAt: waiting.nextAttemptAt ?? running.acceptedAt }, newer)
}

/** The process that ran it is gone, and no other one can be running it. */
export function recover(running: Revocation, newer: Revocation | null): Queued {
  return putBack(running, { ...running, nextAttemptAt: null, backoffMs: null }, newer)
}

function enqueue(revocation: Revocation, newer: Revocation | null): Queued {
  const queued: Revocation = { ...revocation, status: 'queued' }
  return { queued: newer ? join(queued, newer) : queued, absorbed: newer }
}

/** What a confirming listing has shown, or why there is none. */
export type Confirmation = MeasuredTime &
  (
    | ({ found: 'nothing'; kept: number } & Pick<Revocation, 'proof' | 'undecided' | 'resolved'>)
    | { found: 'tokens'; remaining: number; now: number }
    | ({ found: 'unknown' } & Pick<
        Revocation,
        'error' | 'fruitless' | 'failingSince' | 'verificationDueAt' | 'backoffMs'
      >)
  )

/** A confirming listing was made, or failed. `newer` is the one that is queued for the same user. */
export function confirm(
  completed: Revocation,
  confirmation: Confirmation,
  newer: Revocation | null,
): { confirmed: Revocation } | Queued {
  if (completed.status !== 'completed' || completed.verificationDueAt === null)
    return { confirmed: completed }
  if (confirmation.found === 'nothing') {
    const { found: _, kept, ...found } = confirmation
    const tokens: TokenCounts = { ...completed.tokens, kept }
    return { confirmed: settle({ ...completed, ...found, tokens, error: null }) }
  }
  if (confirmation.found === 'unknown') {
    const { found: _, ...waiting } = confirmation
    return { confirmed: { ...completed, ...waiting } }
  }
  const { found: _, remaining, now, ...time } = confirmation
  const tokens: TokenCounts = { ...completed.tokens, remaining }
  return enqueue({ ...renew(completed, now), ...time, tokens }, newer)
}

function settle(completed: Revocation): Revocation {
  const settled = { ...completed, verificationDueAt: null, fruitless: 0, failingSince: null, backoffMs: null }
  return { ...settled, verified: isVerified(settled) }
}

/**
 * Another revocation of the same user and device type, whose confirming listing is due, after a newer one was confirmed: the
 * same listing proves it, too, where the newer one reaches as far: in scope, in the tenant's time, which says also that the
 * listing began late enough, and in the Qlik users that were listed. Null where it does not.
 */
export function confirmBy(older: Revocation, newer: Revocation): Revocation | null {
  const reaches =
    (newer.scope === 'all' || older.scope !== 'all') &&
    times.covers(signalTimeOf(newer), signalTimeOf(older)) &&
    older.resolved.every((userId) => newer.resolved.includes(userId))
  if (!reaches || newer.verificationDueAt !== null || older.verificationDueAt === null) return null
  const tokens: TokenCounts = { ...older.tokens, kept: newer.tokens.kept }
  return settle({ ...older, tokens, proof: newer.proof, undecided: newer.undecided, error: newer.error })
}

/** What becomes of a revocation by a retry: which one is answered, and which others change. */
export type Retry =
  | { answer: Revocation; change: 'none' }
  | { answer: Revocation; change: 'hastened' | 'queued' }
  | { answer: Revocation; change: 'widened'; superseded: Revocation }

/**
 * Somebody wants it tried again now.
 * @param other the one that is queued for the same user, where it is not this one
 * @throws CURFEW_NOT_RETRYABLE when it is completed and verified
 */
export function retry(revocation: Revocation, other: Revocation | null, now: number): Retry {
  const { status } = revocation
  if (status === 'running') return { answer: revocation, change: 'none' }
  if (status === 'completed' && isVerified(revocation)) throw new CurfewError('CURFEW_NOT_RETRYABLE')
  // The confirming listing does what a retry would.
  if (status === 'completed' && revocation.verificationDueAt !== null)
    return { answer: revocation, change: 'none' }
  if (status === 'queued') return { answer: hasten(revocation, now), change: 'hastened' }
  if (!other) return { answer: renew(revocation, now), change: 'queued' }
  const answer = hasten(join(other, revocation), now)
  return { answer, change: 'widened', superseded: { ...revocation, supersededBy: other.id } }
}

/** Due at once, with 24 hours ahead. A time of acceptance that lies ahead comes from a clock that was wrong. */
function hasten(queued: Revocation, now: number): Revocation {
  const dueAt = Math.min(queued.acceptedAt, now)
  return { ...queued, fruitless: 0, nextAttemptAt: null, backoffMs: null, failingSince: null, dueAt }
}

/** What has ended is queued again, under the same id. What it failed with is shown until the next attempt. */
function renew(ended: Revocation, now: number): Revocation {
  const { outcome, proof, verified, undecided, completedAt, supersededBy, verificationDueAt } = INITIAL
  const forgotten = { outcome, proof, verified, undecided, completedAt, supersededBy, verificationDueAt }
  return { ...hasten(ended, now), ...forgotten, status: 'queued' }
}
