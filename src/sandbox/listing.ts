import type { Behaviour } from './behaviour.ts'

/** How far listings lag behind. */
type ListingLag = Pick<Behaviour, 'lagAfterIssueMs' | 'lagAfterRevokeMs'>

/** When a token was issued and revoked, by the `now` option, in ms since the epoch. */
interface Dates {
  storedAt: number
  revokedAt: number | null
}

/**
 * Whether a listing at `now` contains the token: from `lagAfterIssueMs` after its issue until `lagAfterRevokeMs` after its
 * revocation. Independent of whether the token is valid.
 *
 * If the clock goes back, ages count as 0: without a lag, issued tokens are listed and revoked ones are not.
 */
export function isListed({ storedAt, revokedAt }: Dates, now: number, lag: ListingLag): boolean {
  const hasAppeared = Math.max(0, now - storedAt) >= lag.lagAfterIssueMs
  return hasAppeared && !hasLeft(revokedAt, now, lag)
}

/** Whether a token revoked at `revokedAt` (null: not revoked) is in no listing from `now` on. */
export function hasLeft(revokedAt: number | null, now: number, lag: ListingLag): boolean {
  return revokedAt !== null && Math.max(0, now - revokedAt) >= lag.lagAfterRevokeMs
}

/** Sorts tokens for a listing: by user id, then by issue. `rows` must be oldest first. */
export function inOrder<Row extends { userId: string; serial: number }>(
  rows: readonly Row[],
  order: Behaviour['listingOrder'],
): readonly Row[] {
  if (order === 'oldest-first') return rows
  return rows.toSorted((a, b) => (a.userId === b.userId ? b.serial - a.serial : 0))
}
