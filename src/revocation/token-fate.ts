import { QlikFailure, type TokenFate } from './qlik-tenant.ts'

/**
 * How far Qlik's list of tokens may be behind its answers to deletes. A token that is listed for longer after its delete
 * is stuck: it is reported, and deleted again at most this often.
 */
export const LISTING_LAG_MS = 60_000

/** Whether a token that is listed now should have left the list long ago. */
export function isStuck(fate: TokenFate | null, now: number): boolean {
  return fate?.kind === 'gone' && now - fate.since >= LISTING_LAG_MS
}

/** Whether a token that is listed may be deleted, or deleted again. */
export function mayDelete(fate: TokenFate | null, now: number): boolean {
  return fate?.kind !== 'gone' || now - fate.at >= LISTING_LAG_MS
}

/** Whether Qlik will not revoke this token: 403 or 400, as opposed to a failure that may pass by itself. */
export function isRefusal(error: unknown): error is QlikFailure {
  return error instanceof QlikFailure && (error.kind === 'forbidden' || error.kind === 'rejected')
}

const NAMED_AT_MOST = 10

/** Token ids for people to read: the first ten, and how many more there are. */
export function nameTokens(ids: readonly string[]): string {
  const named = ids.slice(0, NAMED_AT_MOST).join(', ')
  const more = ids.length - NAMED_AT_MOST
  return more > 0 ? `${named} and ${more} more` : named
}
