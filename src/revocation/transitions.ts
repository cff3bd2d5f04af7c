import { CurfewError } from '../base/errors.ts'
import { join } from './joined-signals.ts'
import type { SenderName } from './origin.ts'
import { type Hold, hasEnded, isVerified, Revocation, type Status, type TokenCounts } from './revocation.ts'
import type { RunHistory } from './run-history.ts'
import type { Signal } from './signal.ts'
import { covers, type SignalTime, signalTimeOf } from './signal-time.ts'

/**
 * Everything that changes a revocation, as pure functions from (state, event, time) to the new state. Both stores
 * apply them, each within one transaction; the surrounding statements only find and write rows. `join` is in
 * `joined-signals.ts`.
 *
 * | State | Event | Next state | Function |
 * |---|---|---|---|
 * | – | signal | queued | `newRevocation` |
 * | queued | signal for the same user and device type | queued, wider | `join` |
 * | queued | due, and none of the same user runs | running | `claim` |
 * | running, its process is gone | claimed again | running | `claim` |
 * | running | some tokens are revoked | running | `progress` |
 * | running | first listing without a token in scope | completed, confirming listing due | `end` |
 * | running | final error, or 24 hours without progress | failed | `end` |
 * | running | failed attempt, shutdown, more urgent signal | queued; a newer queued one joins it | `putBack` |
 * | completed, confirming listing due | it shows no token in scope | completed, verified if proven | `confirm` |
 * | completed, confirming listing due | it shows a token in scope | queued, same id; a newer one joins it | `confirm` |
 * | completed, confirming listing due | it fails | completed, due again; unverified after 24 hours | `confirm` |
 * | completed, confirming listing due | a newer one is confirmed, same user | completed, with its proof | `confirmBy` |
 * | completed, confirming listing due | retry | unchanged | `retry` |
 * | failed, or completed and unverified | retry | queued, same id | `retry` |
 * | the same, another one is queued | retry | same state, superseded by the other, which is widened | `retry` |
 * | queued | retry | queued, due immediately | `retry` |
 * | running | retry | unchanged | `retry` |
 * | completed and verified, held, or cancelled | retry | refused | `retry` |
 * | – | signal of a sender that has named too many users | held | `newHeld` |
 * | held | the same sender, the same user and device type | held, wider | `join` |
 * | held | release | queued; joins one queued for the same user | `release` |
 * | held | cancel | cancelled | `cancel` |
 * | queued, running | an operator cancels it | cancelled; a run stops before its next delete | `withdraw` |
 */

const INITIAL = initialValues()

/** The defaults of all members: a revocation before any event. */
function initialValues(): Omit<
  Revocation,
  Exclude<keyof Signal, 'signalTime' | 'sender' | 'traceparent' | 'notify'> | 'id'
> {
  const signal = { tenant: '', user: { kind: 'userId', value: '' }, source: '', reason: 'logout' }
  const times = { scope: 'all', deviceType: null, occurredAt: 0, acceptedAt: 0 }
  const { id: _, ...all } = Revocation.parse({ id: '', ...signal, ...times })
  return all
}

/** A new revocation for a signal with none to join. */
export function newRevocation(id: string, signal: Signal): Revocation {
  const { signalTime = null, occurredAt: signalTimeOf, acceptedAt: dueAt } = signal
  return { ...INITIAL, ...signal, signalTime, signalTimeOf, id, dueAt }
}

/** A revocation that waits for an operator. */
export function newHeld(id: string, signal: Signal, { kind, name, id: of }: SenderName): Revocation {
  const hold = { sender: { kind, name, id: of }, at: signal.acceptedAt, decision: null }
  return { ...newRevocation(id, signal), status: 'held', hold }
}

/** A process starts an attempt, or restarts one that another process lost. */
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

/** A run has progressed. Progress resets `failingSince`. */
export function progress(running: Revocation, tokens: TokenCounts): Revocation {
  const gone = (counts: TokenCounts) => counts.revoked + counts.alreadyGone
  const failingSince = gone(tokens) > gone(running.tokens) ? null : running.failingSince
  return { ...running, tokens, failingSince }
}

/** The time of the signals as measured by an attempt or a listing; omitted if not measured. */
export type MeasuredTime = Partial<Pick<Revocation, 'signalTime' | 'signalTimeOf'>>

/** A queued revocation with a more precise time. */
export function measureTime(queued: Revocation, resolve: (time: SignalTime) => SignalTime): Revocation {
  return { ...queued, signalTime: resolve(signalTimeOf(queued)), signalTimeOf: queued.occurredAt }
}

/** What an attempt found, however it ended. */
export type Findings = Pick<Revocation, 'tokens' | 'undecided' | 'resolved'> & MeasuredTime

/**
 * Result of a run. `verificationDueAt`: when the confirming listing is due, or null if the last listing was already
 * confirming. `history`: for the audit trail.
 */
export type Ending = Findings & { completedAt: number; history?: RunHistory | undefined } & (
    | ({ status: 'completed' } & Pick<Revocation, 'outcome' | 'proof' | 'verificationDueAt'>)
    | ({ status: 'failed' } & Pick<Revocation, 'error'>)
  )

export function end(running: Revocation, { history: _, ...ending }: Ending): Revocation {
  const neutral = { error: null, fruitless: 0, failingSince: null, supersededBy: null, verified: false }
  const ended = { ...running, ...neutral, ...ending }
  return { ...ended, verified: isVerified(ended) }
}

/** What a revocation keeps when it goes back into the queue. */
export type Waiting = Findings &
  Pick<Revocation, 'attempts' | 'fruitless' | 'failingSince' | 'error' | 'nextAttemptAt' | 'backoffMs'>

/** A queued revocation, and the one that joined it, whose id resolves to the first from then on. */
export interface Queued {
  queued: Revocation
  absorbed: Revocation | null
}

/** A run goes back into the queue. `newer`: the revocation queued behind it. */
export function putBack(running: Revocation, waiting: Waiting, newer: Revocation | null): Queued {
  const { remaining } = waiting.tokens
  const size = remaining > 0 ? remaining : running.size
  return enqueue({ ...running, ...waiting, size, dueAt: waiting.nextAttemptAt ?? running.acceptedAt }, newer)
}

/** Its process has ended, and no other one can be running it. */
export function recover(running: Revocation, newer: Revocation | null): Queued {
  return putBack(running, { ...running, nextAttemptAt: null, backoffMs: null }, newer)
}

function enqueue(revocation: Revocation, newer: Revocation | null): Queued {
  const queued: Revocation = { ...revocation, status: 'queued' }
  return { queued: newer ? join(queued, newer) : queued, absorbed: newer }
}

/** What a confirming listing showed, or why it failed. */
export type Confirmation = MeasuredTime &
  (
    | ({ found: 'nothing'; kept: number } & Pick<Revocation, 'proof' | 'undecided' | 'resolved'>)
    | { found: 'tokens'; remaining: number; now: number }
    | ({ found: 'unknown' } & Pick<
        Revocation,
        'error' | 'fruitless' | 'failingSince' | 'verificationDueAt' | 'backoffMs'
      >)
  )

/** A confirming listing succeeded or failed. `newer`: the revocation queued for the same user. */
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
  return enqueue({ ...renew(completed, now), ...time, tokens, size: remaining }, newer)
}

function settle(completed: Revocation): Revocation {
  const settled = { ...completed, verificationDueAt: null, fruitless: 0, failingSince: null, backoffMs: null }
  return { ...settled, verified: isVerified(settled) }
}

/**
 * Applies a newer revocation's confirmation to an older one of the same user and device type whose confirming listing
 * is due. The same listing proves the older one if the newer one covers it: its scope, its Qlik users, and its
 * signals in the tenant's time, which also implies that the listing began late enough. Returns null otherwise.
 */
export function confirmBy(older: Revocation, newer: Revocation): Revocation | null {
  const reaches =
    (newer.scope === 'all' || older.scope !== 'all') &&
    covers(signalTimeOf(newer), signalTimeOf(older)) &&
    older.resolved.every((userId) => newer.resolved.includes(userId))
  if (!reaches || newer.verificationDueAt !== null || older.verificationDueAt === null) return null
  const tokens: TokenCounts = { ...older.tokens, kept: newer.tokens.kept }
  return settle({ ...older, tokens, proof: newer.proof, undecided: newer.undecided, error: newer.error })
}

/** Result of a retry: the revocation to return, and what changes. */
export type Retry =
  | { answer: Revocation; change: 'none' }
  | { answer: Revocation; change: 'hastened' | 'queued' }
  | { answer: Revocation; change: 'widened'; superseded: Revocation }

/**
 * Retries a revocation now.
 * @param other the revocation queued for the same user, unless it is this one
 * @throws CURFEW_NOT_RETRYABLE if it is completed and verified, or cancelled; CURFEW_REVOCATION_HELD
 */
export function retry(revocation: Revocation, other: Revocation | null, now: number): Retry {
  const { status } = revocation
  if (status === 'held') throw new CurfewError('CURFEW_REVOCATION_HELD')
  if (status === 'cancelled') throw new CurfewError('CURFEW_NOT_RETRYABLE')
  if (status === 'running') return { answer: revocation, change: 'none' }
  if (status === 'completed' && isVerified(revocation)) throw new CurfewError('CURFEW_NOT_RETRYABLE')
  // The confirming listing does what a retry would do.
  if (status === 'completed' && revocation.verificationDueAt !== null)
    return { answer: revocation, change: 'none' }
  if (status === 'queued') return { answer: hasten(revocation, now), change: 'hastened' }
  if (!other) return { answer: renew(revocation, now), change: 'queued' }
  const answer = hasten(join(other, revocation), now)
  return { answer, change: 'widened', superseded: { ...revocation, supersededBy: other.id } }
}

/** Queues a held revocation. It keeps the time of its signal; claims are in the order of the release. */
export function release(held: Revocation, now: number, by: string | null): Revocation {
  return { ...held, status: 'queued', dueAt: now, hold: decided(held, { what: 'released', by, at: now }) }
}

/** Ends a held revocation without revoking anything. */
export function cancel(held: Revocation, now: number, by: string | null): Revocation {
  const hold = decided(held, { what: 'cancelled', by, at: now })
  return { ...held, status: 'cancelled', completedAt: now, verificationDueAt: null, hold }
}

export interface Withdrawal {
  now: number
  /** Name of the operator's API key; null if unknown. */
  by: string | null
  /** Whether signals of several senders may be cancelled. */
  force: boolean
}

/** The id under which a revocation was found, and its status, if only this one may be changed. */
export interface Found {
  id: string
  status?: Status | undefined
}

/** Whether a revocation is still what was found: it has not joined another one, nor left the status. */
export function isStill({ id, status }: Revocation, found: Found | undefined): boolean {
  return found === undefined || (found.id === id && (found.status ?? status) === status)
}

/**
 * Ends a revocation that an operator cancels. Tokens that are already revoked stay revoked.
 * @throws CURFEW_NOT_CANCELLABLE if it has ended; CURFEW_SEVERAL_SENDERS
 */
export function withdraw(revocation: Revocation, { now, by, force }: Withdrawal): Revocation {
  const { status, sender, otherSenders } = revocation
  if (status === 'cancelled') return revocation
  if (hasEnded(revocation)) throw new CurfewError('CURFEW_NOT_CANCELLABLE', `It is ${status}.`)
  if (otherSenders.length > 0 && !force) {
    const senders = [sender ?? 'unknown', ...otherSenders].join(', ')
    throw new CurfewError('CURFEW_SEVERAL_SENDERS', `Its signals are from: ${senders}.`)
  }
  if (status === 'held') return cancel(revocation, now, by)
  const ended = { completedAt: now, verificationDueAt: null, nextAttemptAt: null, backoffMs: null }
  return { ...revocation, ...ended, status: 'cancelled' }
}

function decided({ hold }: Revocation, decision: Hold['decision']): Hold | null {
  return hold && { ...hold, decision }
}

/** Due immediately, with a new limit of 24 hours. An acceptance in the future comes from a clock that was wrong. */
function hasten(queued: Revocation, now: number): Revocation {
  const dueAt = Math.min(queued.acceptedAt, now)
  return { ...queued, fruitless: 0, nextAttemptAt: null, backoffMs: null, failingSince: null, dueAt }
}

/** Queues an ended revocation again, under the same id. Its last error stays visible until the next attempt. */
function renew(ended: Revocation, now: number): Revocation {
  const { outcome, proof, verified, undecided, completedAt, supersededBy, verificationDueAt, size } = INITIAL
  const forgotten = {
    outcome,
    proof,
    verified,
    undecided,
    completedAt,
    supersededBy,
    verificationDueAt,
    size,
  }
  return { ...hasten(ended, now), ...forgotten, status: 'queued' }
}
