import type { Origin, SenderSelection } from '../origin.ts'
import type { Revocation } from '../revocation.ts'

/** Selects held revocations, oldest first. */
export interface HeldQuery {
  ids?: readonly string[] | undefined
  sender?: SenderSelection | undefined
  /** Only revocations of these tenants; none if the list is empty. */
  tenants?: readonly string[] | undefined
  limit: number
}

/** What became of held revocations. */
export interface Decided {
  /** Their state now; that of the one they joined if they joined one. */
  revocations: Revocation[]
  /** How many of them joined a queued revocation. */
  joined: number
  /** Whether others that the query selects are still held, those included that another operator is deciding about. */
  more: boolean
}

/** The part of `RevocationStore` for held revocations. */
export interface HeldStore {
  /**
   * Queues held revocations, oldest first. One whose user already has a queued revocation joins it, and its id resolves
   * to that one.
   */
  release(query: HeldQuery, now: number, origin?: Origin): Promise<Decided>

  /** Ends held revocations without revoking anything, oldest first. */
  cancel(query: HeldQuery, now: number, origin?: Origin): Promise<Decided>
}
