import { CurfewError } from '../../base/errors.ts'
import { soleHeader } from '../../base/sole-header.ts'

/** A request as far as it can prove its sender: nothing of the body is parsed yet. */
export interface WebhookRequest {
  /** By name in lower case, with every value that came: which of two is meant is not guessed. */
  headers: NodeJS.Dict<string[]>
  body: Buffer
  /** ms since the epoch */
  now: number
}

/** What a proof says besides that it is one. */
export interface Proof {
  /** The id of the delivery, where it is proven by a header; null where the body has to tell. */
  deliveryId: string | null
  /** Until when it proves the same request, sent again; ms since the epoch, infinite where nothing in it ends it. */
  goodUntil: number
  /** The timestamp that is signed with the body: the same body under another one is another delivery. */
  timestamp?: string
}

/**
 * Decides by headers and bytes whether a request comes from its source.
 * @throws CURFEW_SOURCE_UNPROVEN, CURFEW_KEYS_UNAVAILABLE
 */
export type Verify = (request: WebhookRequest) => Proof | Promise<Proof>

export function unproven(detail?: string): CurfewError {
  return new CurfewError('CURFEW_SOURCE_UNPROVEN', detail)
}

/** The value of a header that came exactly once. @throws CURFEW_SOURCE_UNPROVEN */
export function requiredHeader(headers: WebhookRequest['headers'], name: string): string {
  const value = soleHeader(headers, name)
  if (value === null) throw unproven(`Expected one header ${name}.`)
  return value
}

/** @param milliseconds ms since the epoch; what is no number is too far away, too @throws CURFEW_SOURCE_UNPROVEN */
export function requireRecent(milliseconds: number, now: number, toleranceMs: number): void {
  if (!(Math.abs(now - milliseconds) <= toleranceMs))
    throw unproven(`The timestamp is more than ${toleranceMs / 1000} s away from now.`)
}
