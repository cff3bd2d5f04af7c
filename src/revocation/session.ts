import type { UserReference } from './signal.ts'

/** Maps a session to its user. Recorded at login, for identity providers that only identify sessions. */
export interface Session {
  /** The identity provider's session id: the `sid` claim of the ID token. */
  sid: string
  user: UserReference
  /** When the record expires, after which the session counts as unknown; ms since the epoch. */
  expiresAt: number
}

/**
 * The namespace of a `sid`: a tenant and the source whose issuer assigned it. Other issuers may assign the same
 * `sid`.
 */
export interface SessionSource {
  tenant: string
  /** Name of the source. */
  source: string
  /**
   * Whether the tenant has no other source that identifies sessions. If so, sessions that earlier versions recorded
   * without a source belong to it. If there are several such sources, those sessions cannot be attributed and match
   * none.
   */
  isOnly: boolean
}
