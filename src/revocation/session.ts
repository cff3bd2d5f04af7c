import type { UserReference } from './signal.ts'

/** Whose a session is: noted by whoever saw the user log in, for identity providers that name sessions only. */
export interface Session {
  /** The identity provider's name for it: the claim `sid` of the ID token. */
  sid: string
  user: UserReference
  /** From then on it is as unknown as if it had never been noted; ms since the epoch. */
  expiresAt: number
}

/** Where a `sid` means something: in a tenant, for the source whose issuer gave it. Other issuers may give the same. */
export interface SessionSource {
  tenant: string
  /** Name of the source. */
  source: string
  /**
   * Whether the tenant has no other source that names sessions. Then sessions that earlier versions noted, without a source,
   * are its own. Where there are several, nobody knows whose those are, and they are nobody's.
   */
  isOnly: boolean
}
