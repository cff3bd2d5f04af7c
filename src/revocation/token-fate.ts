import { QlikFailure, type TokenFate } from './qlik-tenant.ts'

/**
 * How long Qlik's list of tokens may lag behind deletes. A token still listed after that is stuck: it is reported,
 * and deleted again at most this often.
 */
export const LISTING_LAG_MS = 60_000

/** Whether a listed token should have left the list long ago. */
export function isStuck(fate: TokenFate | null, now: number): boolean {
  return fate?.kind === 'gone' && now - fate.since >= LISTING_LAG_MS
}

/** Whether a listed token may be deleted, or deleted again. */
export function mayDelete(fate: TokenFate | null, now: number): boolean {
  return fate?.kind !== 'gone' || now - fate.at >= LISTING_LAG_MS
}

/** Whether Qlik refuses to revoke this token (403 or 400), as opposed to a transient failure. */
export function isRefusal(error: unknown): error is QlikFailure {
  return error instanceof QlikFailure && (error.kind === 'forbidden' || error.kind === 'rejected')
}

const MAX_NAMED = 10

/** Token ids for messages: the first ten, and the number of others. */
export function nameTokens(ids: readonly string[]): string {
  const named = ids.slice(0, MAX_NAMED).join(', ')
  const more = ids.length - MAX_NAMED
  return more > 0 ? `${named} and ${more} more` : named
}
