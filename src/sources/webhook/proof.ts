import { CurfewError } from '../../base/errors.ts'
import { soleHeader } from '../../base/sole-header.ts'

/** The parts of a request that authenticate its sender. The body is not parsed. */
export interface WebhookRequest {
  /** All values of each header, by name in lower case. A required header that is repeated is rejected. */
  headers: NodeJS.Dict<string[]>
  body: Buffer
  /** ms since the epoch */
  now: number
}

/** The result of a successful verification. */
export interface Proof {
  /** The id of the delivery from an authenticated header; null if only the body can contain it. */
  deliveryId: string | null
  /**
   * Until when the same request is accepted if repeated, in ms since the epoch; Infinity if the proof does not expire.
   */
  validUntil: number
  /** The timestamp signed with the body. The same body with another timestamp is another delivery. */
  timestamp?: string
}

/**
 * Authenticates a request by its headers and the bytes of its body.
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

/** @param milliseconds ms since the epoch; NaN is rejected, too @throws CURFEW_SOURCE_UNPROVEN */
export function requireRecent(milliseconds: number, now: number, toleranceMs: number): void {
  if (!(Math.abs(now - milliseconds) <= toleranceMs))
    throw unproven(`The timestamp differs from the current time by more than ${toleranceMs / 1000} s.`)
}
