import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../base/errors.ts'
import { Proof, provesGone } from './proof.ts'
import { Signal, Time } from './signal.ts'

export const Status = z.enum(['queued', 'running', 'completed', 'failed'])
export type Status = z.infer<typeof Status>

/**
 * How a completed revocation ended. `no-such-user`: nobody has the id, or the name. `none-visible`: the list was empty, but
 * it is not known whether the OAuth client may see other users' tokens.
 */
export const Outcome = z.enum(['revoked', 'nothing-to-revoke', 'no-such-user', 'none-visible'])
export type Outcome = z.infer<typeof Outcome>

const count = z.number().int()

/** Counts of the user's tokens so far. `kept`: granted after the signal. `remaining`: still to be revoked. */
export const TokenCounts = z.object({ revoked: count, alreadyGone: count, kept: count, remaining: count })
export type TokenCounts = z.infer<typeof TokenCounts>

/** Why a revocation failed, or what the last attempt failed with while it waits for the next one. */
export const Failure = z.object({
  // A code of another version must not keep the row, and all behind it, from being claimed.
  code: z.custom<ErrorCode>((code) => typeof code === 'string' && code in ERRORS).catch('CURFEW_INTERNAL'),
  detail: z.string(),
})
export type Failure = z.infer<typeof Failure>

/**
 * Every member of a revocation: the signals that have joined into one, and how far it is. This is the one definition: the
 * type, the columns and the statements of both stores are derived from it. A further member is a line here, with a default,
 * and a migration for each store. `transitions.ts` says what changes them.
 */
export const Revocation = z.object({
  /** UUID version 7 (RFC 9562): ids sort by the time of acceptance. */
  id: z.string(),
  /** `occurredAt` is the latest of the signals that have joined, `acceptedAt` that of the first. */
  ...Signal.shape,
  /** The `occurredAt` that `signalTime` covers; null where a version without such times may have joined a signal. */
  signalTimeOf: Time.nullable().default(null),
  status: Status.default('queued'),
  outcome: Outcome.nullable().default(null),
  tokens: TokenCounts.default({ revoked: 0, alreadyGone: 0, kept: 0, remaining: 0 }),
  /** Tokens of which it cannot be decided whether they were granted before the signal. */
  undecided: count.default(0),
  /** The Qlik user ids that the user's name led to; empty while unknown. */
  resolved: z.array(z.string()).default([]),
  /** What the last listing proves; null before, and for rows of versions without proofs. */
  proof: Proof.nullable().default(null),
  /** Derived from `proof`; stored for versions without proofs, and as they stored it. See `isVerified`. */
  verified: z.boolean().default(false),
  /**
   * When the confirming listing of a completed revocation is due; null when none is. 0 until it completes: if a version
   * without confirming listings completes it, one is due at once.
   */
  verificationDueAt: Time.nullable().default(0),
  /** Attempts begun, the current one included. */
  attempts: count.default(0),
  /** Attempts in a row that failed without revoking anything: the exponent of the backoff. */
  fruitless: count.default(0),
  error: Failure.nullable().default(null),
  /** Since when attempts fail without revoking anything, or null: the 24 hours of trying count from here. */
  failingSince: Time.nullable().default(null),
  startedAt: Time.nullable().default(null),
  completedAt: Time.nullable().default(null),
  nextAttemptAt: Time.nullable().default(null),
  /** The backoff before `nextAttemptAt`, in ms: it is never waited for longer, whatever the clock says. */
  backoffMs: count.nullable().default(null),
  /** From when on it may be claimed; in this order. */
  dueAt: Time.default(0),
  /** The revocation that does its work, where a retry found another one queued for the same user. */
  supersededBy: z.string().nullable().default(null),
})
export type Revocation = z.infer<typeof Revocation>

/** Whether nothing more will happen to it, except that it may be confirmed, unless somebody retries it. */
export function hasEnded({ status }: Pick<Revocation, 'status'>): boolean {
  return status === 'completed' || status === 'failed'
}

/** Whether it has ended, and no confirming listing is due any more. */
export function isSettled({ status, verificationDueAt }: Revocation): boolean {
  return status === 'failed' || (status === 'completed' && verificationDueAt === null)
}

/**
 * Whether every token in scope is proven to be gone. Of rows that ended before there were proofs it is what was stored then;
 * what a replica of such a version completes is not verified until it is listed again.
 */
export function isVerified({ proof, undecided, verified, verificationDueAt, error }: Revocation): boolean {
  if (proof === null) return verified && verificationDueAt === null
  return provesGone(proof, { undecided, isConfirmed: verificationDueAt === null && error === null })
}
