import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../errors.ts'
import { Reason, Scope, type Signal, type UserReference } from './signal.ts'

export const Status = z.enum(['queued', 'running', 'completed', 'failed'])
export type Status = z.infer<typeof Status>

/**
 * How a completed revocation ended. `none-visible`: the list was empty, but it is not known whether the OAuth
 * client may see other users' tokens, so nothing is claimed.
 */
export const Outcome = z.enum(['revoked', 'nothing-to-revoke', 'no-such-user', 'none-visible'])
export type Outcome = z.infer<typeof Outcome>

/** Counts of the user's tokens so far. `kept`: issued after the signal. `remaining`: still to be revoked. */
export interface TokenCounts {
  revoked: number
  alreadyGone: number
  kept: number
  remaining: number
}

/** Why a revocation failed, or what it last stumbled over while it waits to try again. */
export interface Failure {
  code: ErrorCode
  detail: string
}

/** A revocation as the store keeps it. Times in ms since the epoch. */
export interface Revocation {
  /** UUID version 7 (RFC 9562): ids sort by the time of acceptance. */
  id: string
  tenant: string
  user: UserReference
  source: string
  reason: Reason
  scope: Scope
  deviceType: string | null
  status: Status
  outcome: Outcome | null
  tokens: TokenCounts
  verified: boolean
  /** Attempts begun, the current one included. */
  attempts: number
  /** Attempts in a row that failed without revoking anything: the exponent of the backoff. */
  fruitless: number
  error: Failure | null
  occurredAt: number
  acceptedAt: number
  /** Since when attempts fail without revoking anything, or null: the 24 hours of trying count from here. */
  failingSince: number | null
  startedAt: number | null
  completedAt: number | null
  nextAttemptAt: number | null
}

export const NO_TOKENS: TokenCounts = { revoked: 0, alreadyGone: 0, kept: 0, remaining: 0 }

/** A new revocation for a signal that found none to join. */
export function newRevocation(id: string, signal: Signal): Revocation {
  return {
    ...signal,
    id,
    status: 'queued',
    outcome: null,
    tokens: NO_TOKENS,
    verified: false,
    attempts: 0,
    fruitless: 0,
    error: null,
    failingSince: null,
    startedAt: null,
    completedAt: null,
    nextAttemptAt: null,
  }
}

const count = z.number().int().min(0)
const time = z.iso.datetime()

/** A revocation as callers see it: the contract's JSON. */
export const RevocationView = z
  .object({
    id: z.uuid(),
    tenant: z.string(),
    user: z.object({
      userId: z.string().optional(),
      subject: z.string().optional(),
      email: z.string().optional(),
    }),
    source: z.string(),
    reason: Reason,
    scope: Scope,
    deviceType: z.string().optional(),
    status: Status,
    outcome: Outcome.nullable(),
    tokens: z.object({ found: count, revoked: count, alreadyGone: count, kept: count, remaining: count }),
    verified: z.boolean(),
    attempts: count,
    error: z
      .object({ code: z.string(), title: z.string(), detail: z.string(), action: z.string() })
      .nullable(),
    occurredAt: time,
    acceptedAt: time,
    startedAt: time.nullable(),
    completedAt: time.nullable(),
    nextAttemptAt: time.nullable(),
    estimatedCompletionAt: time.nullable(),
  })
  .meta({ id: 'Revocation', description: "The revocation of one user's tokens" })
export type RevocationView = z.infer<typeof RevocationView>

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

/**
 * The caller's view of a revocation.
 * @param estimatedCompletionAt ms since the epoch, or null where nothing can be said
 */
export function view(revocation: Revocation, estimatedCompletionAt: number | null = null): RevocationView {
  const { user, tokens, error, deviceType } = revocation
  const found = tokens.revoked + tokens.alreadyGone + tokens.kept + tokens.remaining
  return {
    id: revocation.id,
    tenant: revocation.tenant,
    user: { [user.kind]: user.value },
    source: revocation.source,
    reason: revocation.reason,
    scope: revocation.scope,
    ...(deviceType === null ? {} : { deviceType }),
    status: revocation.status,
    outcome: revocation.outcome,
    tokens: { found, ...tokens },
    verified: revocation.verified,
    attempts: revocation.attempts,
    error: error && viewFailure(error),
    occurredAt: new Date(revocation.occurredAt).toISOString(),
    acceptedAt: new Date(revocation.acceptedAt).toISOString(),
    startedAt: iso(revocation.startedAt),
    completedAt: iso(revocation.completedAt),
    nextAttemptAt: iso(revocation.nextAttemptAt),
    estimatedCompletionAt: iso(estimatedCompletionAt),
  }
}

function viewFailure({ code, detail }: Failure) {
  const { title, action } = ERRORS[code]
  return { code, title, detail, action }
}
