import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../base/errors.ts'
import { SenderName } from './origin.ts'
import { Proof, provesGone } from './proof.ts'
import { Signal, Time } from './signal.ts'

/** `held`: by the brake on mass revocation, until an operator releases or cancels it. */
export const Status = z.enum(['queued', 'running', 'held', 'completed', 'failed', 'cancelled'])
export type Status = z.infer<typeof Status>

/**
 * Result of a completed revocation. `no-such-user`: no user has the id or the name. `none-visible`: no user or token was
 * found, but the OAuth client is not known to see those of other users.
 */
export const Outcome = z.enum(['revoked', 'nothing-to-revoke', 'no-such-user', 'none-visible'])
export type Outcome = z.infer<typeof Outcome>

const count = z.number().int()

/** Token counts so far. `kept`: granted after the signal. `remaining`: not revoked yet. */
export const TokenCounts = z.object({ revoked: count, alreadyGone: count, kept: count, remaining: count })
export type TokenCounts = z.infer<typeof TokenCounts>

/** Why a revocation failed, or why its last attempt failed while it waits for the next one. */
export const Failure = z.object({
  // An error code from another version must not prevent this row, and all rows behind it, from being claimed.
  code: z.custom<ErrorCode>((code) => typeof code === 'string' && code in ERRORS).catch('CURFEW_INTERNAL'),
  detail: z.string(),
})
export type Failure = z.infer<typeof Failure>

/** What an operator decided about a held revocation. */
export const Decision = z.object({
  what: z.enum(['released', 'cancelled']),
  /** Name of the operator's API key; null if unknown. */
  by: z.string().nullable(),
  at: Time,
})

/** Why the brake on mass revocation held a revocation. */
export const Hold = z.object({
  /** The sender that had named too many users. */
  sender: SenderName,
  at: Time,
  decision: Decision.nullable(),
})
export type Hold = z.infer<typeof Hold>

/**
 * Every member of a revocation: the signals that joined into it, and its progress. This is the only definition: the
 * type, and the columns and statements of both stores, are derived from it. To add a member, add a line with a
 * default here, and a migration for each store. `transitions.ts` defines how members change.
 */
export const Revocation = z.object({
  /** UUID version 7 (RFC 9562): ids sort by time of acceptance. */
  id: z.string(),
  /** `occurredAt` is the latest of all joined signals, `acceptedAt` that of the first. */
  ...Signal.shape,
  /** The `occurredAt` that `signalTime` covers; null if a version without signal times may have joined a signal. */
  signalTimeOf: Time.nullable().default(null),
  /** Senders of joined signals, other than `sender`, which sent the first one. */
  otherSenders: z.array(z.string()).default([]),
  status: Status.default('queued'),
  outcome: Outcome.nullable().default(null),
  tokens: TokenCounts.default({ revoked: 0, alreadyGone: 0, kept: 0, remaining: 0 }),
  /**
   * Number of the user's tokens when they were last counted; null while unknown. A hint for the order of claims, which may
   * be outdated. Nothing else may depend on it.
   */
  size: count.nullable().default(null),
  /** Number of tokens that may have been granted before or after the signal. */
  undecided: count.default(0),
  /** The Qlik user ids that the user's name resolved to; empty while unknown. */
  resolved: z.array(z.string()).default([]),
  /** What the last listing proves; null before the first, and for rows of versions without proofs. */
  proof: Proof.nullable().default(null),
  /** Derived from `proof`; stored for versions without proofs, as those versions compute it. See `isVerified`. */
  verified: z.boolean().default(false),
  /**
   * When the confirming listing of a completed revocation is due; null if none is. 0 until it completes: if a version
   * without confirming listings completes it, one is due immediately.
   */
  verificationDueAt: Time.nullable().default(0),
  /** Attempts started, the current one included. */
  attempts: count.default(0),
  /** Consecutive attempts that failed without revoking anything: the exponent of the backoff. */
  fruitless: count.default(0),
  error: Failure.nullable().default(null),
  /** When attempts began to fail without revoking anything, or null; the 24-hour limit counts from here. */
  failingSince: Time.nullable().default(null),
  startedAt: Time.nullable().default(null),
  completedAt: Time.nullable().default(null),
  nextAttemptAt: Time.nullable().default(null),
  /** The backoff before `nextAttemptAt`, in ms: an upper bound of the wait, regardless of the clock. */
  backoffMs: count.nullable().default(null),
  /** When it may be claimed; claims are in this order. */
  dueAt: Time.default(0),
  /** The revocation that replaces this one, if a retry found another one queued for the same user. */
  supersededBy: z.string().nullable().default(null),
  /** Null if it was never held. */
  hold: Hold.nullable().default(null),
})
export type Revocation = z.infer<typeof Revocation>

/** Whether nothing further happens to it, other than a confirming listing, unless it is retried. */
export function hasEnded({ status }: Pick<Revocation, 'status'>): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled'
}

/**
 * Number of tokens that remain; null if they were never counted. A run counts them again, so its count is preferred to the
 * size.
 */
export function remainingTokens({
  status,
  tokens,
  size,
}: Pick<Revocation, 'status' | 'tokens' | 'size'>): number | null {
  const found = tokens.revoked + tokens.alreadyGone + tokens.kept + tokens.remaining
  return status === 'running' && found > 0 ? tokens.remaining : size
}

/** Whether it has ended and no confirming listing is due. */
export function isSettled({ status, verificationDueAt }: Revocation): boolean {
  return hasEnded({ status }) && (status !== 'completed' || verificationDueAt === null)
}

/**
 * Whether all tokens in scope are proven to be gone. Rows that ended before proofs existed keep the stored value; a
 * revocation completed by a replica of such a version is not verified until it is listed again.
 */
export function isVerified({ proof, undecided, verified, verificationDueAt, error }: Revocation): boolean {
  if (proof === null) return verified && verificationDueAt === null
  return provesGone(proof, { undecided, isConfirmed: verificationDueAt === null && error === null })
}
