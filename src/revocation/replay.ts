import { hash } from 'node:crypto'
import { CurfewError } from '../base/errors.ts'

/**
 * Identifies a repeated request. It gets the same answer as the first one with this `key`, and nothing is done
 * twice.
 */
export interface ReplayKey {
  /** Unique per sender and route: a webhook-id, or an Idempotency-Key with the API key that sent it. */
  key: string
  /** A digest of the request, or null if the key alone decides (a webhook-id). */
  fingerprint: string | null
  /** Minimum retention, in ms since the epoch; default: `REPLAY_WINDOW_MS` from now. */
  keepUntil?: number
}

/** How stores keep the key. Senders choose ids, which can contain names of users, and an erasure does not search for them. */
export function keyDigest({ key }: Pick<ReplayKey, 'key'>): string {
  return `sha256:${hash('sha256', `curfew replay key\n${key}`, 'base64url')}`
}

export const REPLAY_WINDOW_MS = 10 * 60_000

/**
 * How long a delivery id is remembered, in ms. Senders retry a webhook for hours or days and sign each retry again:
 * Svix for more than a day, Standard Webhooks recommends several. If the id is forgotten too early, a retry becomes a
 * new signal and ends the user's next session.
 */
export const DELIVERY_WINDOW_MS = 3 * 24 * 60 * 60_000

/** The time to store with a key so that it is remembered as long as `keepUntil` requires. */
export function replayTime({ keepUntil }: ReplayKey, now: number): number {
  return Math.max(now, (keepUntil ?? 0) - REPLAY_WINDOW_MS)
}

/**
 * Whether a repeated request may get the earlier answer.
 * @throws CURFEW_IDEMPOTENCY_MISMATCH if the key was used for a different request
 */
export function requireSameRequest(earlier: string | null, now: string | null): void {
  if (earlier !== now) throw new CurfewError('CURFEW_IDEMPOTENCY_MISMATCH')
}
