import { backoffMs } from '../base/backoff.ts'
import { CurfewError, type ErrorCode } from '../base/errors.ts'
import { QlikFailure, type QlikFailureKind } from './qlik-tenant.ts'
import type { Failure } from './revocation.ts'

/** How long Curfew goes on trying while nothing is revoked. A new signal or a retry by hand begins anew. */
export const GIVE_UP_AFTER_MS = 24 * 60 * 60_000

/**
 * The longest that a tier waits after a 429 before one call asks again. Whatever Qlik counted has left its window of 5 minutes
 * by then, three times over: a longer Retry-After is taken for a mistake.
 */
export const LONGEST_TIER_WAIT_MS = 15 * 60_000
const SHORTEST_TIER_WAIT_MS = 1_000

/** What to do at once about one failed call: nothing of it counts as an attempt. */
export type CallDecision =
  | { action: 'renew-access-token' }
  | ({ action: 'wait' } & TierWait)
  | { action: 'give-up' }

/** How long a tier waits after a 429, and what Qlik asked for, or null where it did not say; both in ms. */
export interface TierWait {
  ms: number
  askedMs: number | null
}

export interface CallContext {
  /** Whether this call has already been made with a renewed access token. */
  renewed: boolean
  /** How long this call has been under way, waiting included. */
  waitedMs: number
  /** The window of the rate limit. */
  windowMs: number
}

/**
 * Judges one failed call.
 * - 401: the access token is renewed, once for each call; or the assertion by which one is asked for.
 * - 429: the tier waits as long as Qlik says, 15 minutes at most, or a tenth of the window where it does not say.
 * - anything else ends the attempt; `judgeAttempt` says what becomes of the revocation.
 */
export function judgeCall(failure: unknown, { renewed, waitedMs, windowMs }: CallContext): CallDecision {
  if (!(failure instanceof QlikFailure)) return { action: 'give-up' }
  if (failure.kind === 'unauthorized' && !renewed) return { action: 'renew-access-token' }
  if (failure.kind === 'rate-limited' && waitedMs < GIVE_UP_AFTER_MS) {
    return { action: 'wait', ...tierWait(failure.retryAfterMs, windowMs) }
  }
  return { action: 'give-up' }
}

function tierWait(askedMs: number | null, windowMs: number): TierWait {
  const wanted = askedMs ?? windowMs / 10
  return { ms: Math.min(Math.max(wanted, SHORTEST_TIER_WAIT_MS), LONGEST_TIER_WAIT_MS), askedMs }
}

export type AttemptDecision =
  | { action: 'fail'; failure: Failure }
  | { action: 'back-off'; failure: Failure; at: number }

export interface AttemptContext {
  now: number
  /** Attempts in a row, this one included, that ended without revoking anything; at least 1. */
  fruitless: number
  /** When the first of those attempts failed; `now` for the first. */
  failingSince: number
  /** A number from 0 up to 1. */
  random: number
}

/**
 * Codes that trying again cannot mend: the user or an operator has to do something first. An unknown tenant is none of
 * them: another process may have read the configuration earlier, or the next reload brings the tenant back.
 */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'CURFEW_QLIK_FORBIDDEN',
  'CURFEW_QLIK_REJECTED',
  'CURFEW_AMBIGUOUS_USER',
  'CURFEW_OWN_USER',
])

/** Codes of a list that is behind, or changes: the tenant answers, and other users' tokens can be revoked. */
const OF_THE_LIST: ReadonlySet<ErrorCode> = new Set(['CURFEW_TOKENS_REMAIN', 'CURFEW_LISTING_UNSTABLE'])

/** Whether an error says nothing against the tenant: it concerns one user only. */
export function isOfOneUser(error: unknown): boolean {
  const { code } = toFailure(error)
  return FINAL.has(code) || OF_THE_LIST.has(code)
}

/**
 * Judges a failed attempt: final errors fail the revocation; all others are tried again after a backoff, or after the
 * time that Qlik asked to wait where that is longer, until 24 hours after the first of them.
 */
export function judgeAttempt(
  error: unknown,
  { now, failingSince, fruitless, random }: AttemptContext,
): AttemptDecision {
  const failure = toFailure(error)
  const asked = error instanceof QlikFailure ? (error.retryAfterMs ?? 0) : 0
  const at = Math.ceil(now + backoffMs(fruitless, random, asked))
  if (FINAL.has(failure.code) || at > failingSince + GIVE_UP_AFTER_MS) return { action: 'fail', failure }
  return { action: 'back-off', failure, at }
}

const CODE_OF: Record<QlikFailureKind, ErrorCode> = {
  unauthorized: 'CURFEW_QLIK_UNAUTHORIZED',
  'client-rejected': 'CURFEW_QLIK_UNAUTHORIZED',
  'credential-refused': 'CURFEW_QLIK_UNAUTHORIZED',
  forbidden: 'CURFEW_QLIK_FORBIDDEN',
  'rate-limited': 'CURFEW_QLIK_RATE_LIMITED',
  rejected: 'CURFEW_QLIK_REJECTED',
  unavailable: 'CURFEW_QLIK_UNAVAILABLE',
  unreadable: 'CURFEW_QLIK_UNREADABLE',
}

/** An error as it is shown with the revocation. What is neither Qlik's nor Curfew's own keeps its text out. */
export function toFailure(error: unknown): Failure {
  if (error instanceof QlikFailure) return { code: CODE_OF[error.kind], detail: error.message }
  if (error instanceof CurfewError) return { code: error.code, detail: error.message }
  return { code: 'CURFEW_INTERNAL', detail: 'An unexpected error; the log has it.' }
}
