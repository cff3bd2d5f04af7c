import { CurfewError } from '../base/errors.ts'

/**
 * Recognizes a repeated request. It gets the first answer under `key` again, and nothing is done twice.
 */
export interface ReplayKey {
  /** Distinguishes senders and routes: a webhook-id, or an Idempotency-Key with the API key it came with. */
  key: string
  /** A digest of the request, or null where the key alone decides (a webhook-id). */
  fingerprint: string | null
  /** It is remembered at least until then, ms since the epoch; for `REPLAY_WINDOW_MS` when left out. */
  keepUntil?: number
}

export const REPLAY_WINDOW_MS = 10 * 60_000

/**
 * How long the id of a delivery is remembered, in ms. Senders repeat a webhook for hours or days, and sign it again each time:
 * Svix for more than a day, Standard Webhooks recommends several. If the id is forgotten too early, a repetition is a new
 * signal and ends the user's next session.
 */
export const DELIVERY_WINDOW_MS = 3 * 24 * 60 * 60_000

/** The time from which on a key counts as known, so that it is remembered as long as it asks for. */
export function replayTime({ keepUntil }: ReplayKey, now: number): number {
  return Math.max(now, (keepUntil ?? 0) - REPLAY_WINDOW_MS)
}

/**
 * Whether a request that is known under this key may get the earlier answer.
 * @throws CURFEW_IDEMPOTENCY_MISMATCH where another request was made under it
 */
export function requireSameRequest(earlier: string | null, now: string | null): void {
  if (earlier !== now) throw new CurfewError('CURFEW_IDEMPOTENCY_MISMATCH')
}
