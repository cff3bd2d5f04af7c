import type { Origin } from '../origin.ts'
import type { Session, SessionSource } from '../session.ts'

/** The part of `RevocationStore` for sessions, which signals may name instead of a user. */
export interface SessionStore {
  /**
   * Records the user of a session, replacing any earlier record for the same source. The last call wins, even if
   * calls overlap.
   */
  noteSession(of: SessionSource, session: Session, origin?: Origin): Promise<void>

  /** A session of this source that has not expired; null if there is none. */
  findSession(of: SessionSource, sid: string, now: number): Promise<Session | null>

  /** Deletes a session of this source. Idempotent. */
  forgetSession(of: SessionSource, sid: string, origin?: Origin): Promise<void>
}
