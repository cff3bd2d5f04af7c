import type { Origin } from '../origin.ts'
import type { UserReference } from '../signal.ts'
import type { AuditEvent, Position, StoredEntry } from './entry.ts'

/** The heads of the chains are recorded no more often: see `AuditLog.recordHeads`. */
export const HEADS_EVERY_MS = 60 * 60_000

export interface AuditQuery {
  /** Entries whose private part names this user and is not erased. */
  user?: UserReference | undefined
  /** Name of the API key, webhook secret or source. */
  sender?: string | undefined
  event?: string | undefined
  revocation?: string | undefined
  /** Not before this time; ms since the epoch. */
  from?: number | undefined
  /** Before this time. */
  to?: number | undefined
  /** Only entries of these tenants. */
  tenants?: readonly string[] | undefined
  limit: number
  cursor?: string | undefined
}

/** A user whose personal data is erased, by each of the user's names. */
export interface ErasureRequest {
  tenant: string
  user: UserReference
}

/** What was erased, in numbers of rows. */
export interface Erased {
  entries: number
  revocations: number
  sessions: number
  replays: number
  /** Notifications about the user, those that were not delivered included. */
  notifications: number
  /** Revocations that have not settled, so their personal data is still needed. */
  pending: number
}

/**
 * The audit trail. The store writes the entries of its own changes in the transactions of these changes; `record` is for
 * everything else. If the trail is turned off, nothing is written.
 */
export interface AuditLog extends AuditReading {
  /** Records events durably, in a transaction of their own. */
  record(events: readonly AuditEvent[], now: number): Promise<void>

  /**
   * Records the heads of all chains that no other chain lists yet, unless that was done within the last hour. So a chain
   * whose end is cut off is detected without a restart.
   */
  recordHeads(now: number): Promise<void>

  /**
   * Deletes entries older than `before`, always the first ones of a chain, and records where each chain now begins.
   * @returns the number of deleted entries
   */
  purge(before: number, now: number): Promise<number>

  /** Erases the personal data of a user, under every name. */
  erase(request: ErasureRequest, now: number, origin?: Origin): Promise<Erased>
}

/** The first and the last entry of a chain. */
export interface ChainSpan {
  writer: string
  first: number
  last: number
}

export interface AuditReading {
  /**
   * Entries, newest first. `nextCursor` is null on the last page. Conditions on events and tenants are checked on a limited
   * number of entries, so a page can have fewer items than `limit`, even none. An unknown cursor is not an error.
   */
  list(query: AuditQuery): Promise<{ items: StoredEntry[]; nextCursor: string | null }>

  /** All chains, in the order of the export, as they were at one moment: no entry in them lists a later one. */
  spans(): Promise<ChainSpan[]>

  /** Up to `limit` entries after a position, in the order of writer and sequence; from the beginning if it is null. */
  page(after: Position | null, limit: number): Promise<StoredEntry[]>
}
