import type { Revocation } from '../revocation.ts'
import type { Room } from '../schedule.ts'
import type { Confirmation } from '../transitions.ts'

/** Limits for claiming confirming listings. */
export interface ConfirmationsRequest {
  now: number
  room: Room
}

export interface ClaimedConfirmations {
  claimed: Revocation[]
  /** Number of listings that were due but wait for a newer revocation of the same user, whose listing proves both. */
  postponed: number
}

/** A confirming listing that is not reported within this time is due again, for any process. */
export const CONFIRMATION_LEASE_MS = 60_000
/** How long a listing waits for a newer revocation of the same user before it is checked again. */
export const SUCCESSOR_WAIT_MS = 60_000

/** The part of `RevocationStore` for confirming listings. */
export interface ConfirmationStore {
  /**
   * Claims completed revocations whose confirming listing is due, round-robin across tenants. Skips a revocation if a
   * newer one of the same user waits, runs or has a confirming listing due: the newer one proves both. A confirmation
   * not reported by `confirm` within `CONFIRMATION_LEASE_MS` is due again. There may be more unless the result is
   * empty.
   */
  claimConfirmations(request: ConfirmationsRequest): Promise<ClaimedConfirmations>

  /**
   * Stores the result of a confirming listing. A proof also applies to older revocations of the same user that wait
   * for theirs. If a token was found, the revocation is queued again under its id, and a revocation queued for the
   * same user joins it.
   * @returns the updated revocation; null if it is not completed
   */
  confirm(id: string, confirmation: Confirmation): Promise<Revocation | null>
}
