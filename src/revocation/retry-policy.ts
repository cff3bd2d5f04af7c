import { backoffMs } from '../base/backoff.ts'
import { CurfewError, type ErrorCode } from '../base/errors.ts'
import { QlikFailure, type QlikFailureKind } from './qlik-tenant.ts'
import type { Failure } from './revocation.ts'

/** How long Curfew keeps trying while nothing is revoked. A new signal or a manual retry starts over. */
export const GIVE_UP_AFTER_MS = 24 * 60 * 60_000

/**
 * The longest a tier waits after a 429 before one call is tried. By then, everything Qlik counted has left its
 * 5-minute window three times over, so a longer Retry-After is treated as a mistake.
 */
export const LONGEST_TIER_WAIT_MS = 15 * 60_000
const SHORTEST_TIER_WAIT_MS = 1_000

/** What to do next about a failed call. None of this counts as an attempt. */
export type CallDecision =
  | { action: 'renew-access-token' }
  | ({ action: 'wait' } & TierWait)
  | { action: 'give-up' }

/** How long a tier waits after a 429, and how long Qlik asked to wait, or null if unspecified; both in ms. */
export interface TierWait {
  ms: number
  askedMs: number | null
}

export interface CallContext {
  /** Whether this call was already repeated with a renewed access token. */
  renewed: boolean
  /** How long this call has been under way, in ms, waiting included. */
  waitedMs: number
  /** The window of the rate limit, in ms. */
  windowMs: number
}

/**
 * Decides what to do about a failed call. `failureOf` in qlik/responses.ts classifies the response; `Calls` in
 * qlik/calls.ts repeats the call; `TierBlock` in qlik/budget/tier-block.ts keeps the tier waiting.
 * - 401: the access token, or the assertion used to request one, is renewed once per call.
 * - 429: the tier waits as long as Qlik says, up to 15 minutes, or a tenth of the window if Qlik does not say.
 * - Anything else ends the attempt; `judgeAttempt` decides what happens to the revocation.
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
  /** Consecutive attempts, this one included, that revoked nothing; at least 1. */
  fruitless: number
  /** When the first of those attempts failed; `now` for the first. */
  failingSince: number
  /** A number from 0 up to 1. */
  random: number
}

/**
 * Codes that a retry cannot fix: the user or an operator must act first. An unknown tenant is not one of them:
 * another process may have an older configuration, or the next reload may bring the tenant back.
 */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'CURFEW_QLIK_FORBIDDEN',
  'CURFEW_QLIK_REJECTED',
  'CURFEW_AMBIGUOUS_USER',
  'CURFEW_OWN_USER',
])

/** Codes of a list that lags or changes: the tenant responds, and other users' tokens can be revoked. */
const LISTING_CODES: ReadonlySet<ErrorCode> = new Set(['CURFEW_TOKENS_REMAIN', 'CURFEW_LISTING_UNSTABLE'])

/** Whether an error concerns one user only, so that it does not count against the tenant. */
export function concernsOneUser(error: unknown): boolean {
  const { code } = toFailure(error)
  return FINAL.has(code) || LISTING_CODES.has(code)
}

/**
 * Decides what to do about a failed attempt: final errors fail the revocation; all others are retried after a
 * backoff, or after the time Qlik asked to wait if that is longer, until 24 hours after the first failure.
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

/** An error as shown with the revocation. Errors that are neither Qlik's nor Curfew's own do not expose their text. */
export function toFailure(error: unknown): Failure {
  if (error instanceof QlikFailure) return { code: CODE_OF[error.kind], detail: error.message }
  if (error instanceof CurfewError) return { code: error.code, detail: error.message }
  return { code: 'CURFEW_INTERNAL', detail: 'Unexpected error; see the log.' }
}
