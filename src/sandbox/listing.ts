import type { Behaviour } from './behaviour.ts'

/** How far listings are behind, in either direction. */
type ListingLag = Pick<Behaviour, 'lagAfterIssueMs' | 'lagAfterRevokeMs'>

/** What decides whether a listing has a token. Times are Unix ms by the clock that the tenant was given. */
interface Dates {
  storedAt: number
  revokedAt: number | null
}

/**
 * Whether a listing that is read at `now` has the token: from `lagAfterIssueMs` after its issue, until
 * `lagAfterRevokeMs` after its revocation. Says nothing about whether the token works.
 *
 * A clock that goes back makes nothing older than it was when it happened: without a lag, what was issued is listed
 * and what was revoked is not.
 */
export function isListed({ storedAt, revokedAt }: Dates, now: number, lag: ListingLag): boolean {
  const hasAppeared = Math.max(0, now - storedAt) >= lag.lagAfterIssueMs
  return hasAppeared && !hasLeft(revokedAt, now, lag)
}

/** Whether no listing from `now` on has a token that was revoked then (null: it was not). */
export function hasLeft(revokedAt: number | null, now: number, lag: ListingLag): boolean {
  return revokedAt !== null && Math.max(0, now - revokedAt) >= lag.lagAfterRevokeMs
}

/** Tokens in the order of a listing, by user id and, within a user, by issue. Takes them oldest first. */
export function inOrder<Row extends { userId: string; serial: number }>(
  rows: readonly Row[],
  order: Behaviour['listingOrder'],
): readonly Row[] {
  if (order === 'oldest-first') return rows
  return rows.toSorted((a, b) => (a.userId === b.userId ? b.serial - a.serial : 0))
}
