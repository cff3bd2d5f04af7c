import type { UserReference } from './signal.ts'

/** Whose a session is: told by whoever saw the user log in, for identity providers that name sessions only. */
export interface Session {
  tenant: string
  /** The identity provider's name for it: the claim `sid` of the ID token. */
  sid: string
  user: UserReference
  /** From then on it is as unknown as if it had not been told; ms since the epoch. */
  expiresAt: number
}
