import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'
import type { Signal } from './signal.ts'

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

/**
 * A revocation as the store keeps it: the signals that have joined into one, and how far it is. Times in ms since
 * the epoch. `occurredAt` is the latest of theirs, `acceptedAt` that of the one which the others joined.
 */
export interface Revocation extends Signal {
  /** UUID version 7 (RFC 9562): ids sort by the time of acceptance. */
  id: string
  status: Status
  outcome: Outcome | null
  tokens: TokenCounts
  verified: boolean
  /** Attempts begun, the current one included. */
  attempts: number
  /** Attempts in a row that failed without revoking anything: the exponent of the backoff. */
  fruitless: number
  error: Failure | null
  /** Since when attempts fail without revoking anything, or null: the 24 hours of trying count from here. */
  failingSince: number | null
  startedAt: number | null
  completedAt: number | null
  nextAttemptAt: number | null
}

const NO_TOKENS: TokenCounts = { revoked: 0, alreadyGone: 0, kept: 0, remaining: 0 }

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

/** Whether nothing more will happen to it, unless somebody retries it. */
export function hasEnded({ status }: Pick<Revocation, 'status'>): boolean {
  return status === 'completed' || status === 'failed'
}
