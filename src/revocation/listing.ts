import type { Clock } from '../base/clock.ts'
import { type CallOptions, QlikFailure, type QlikTenant, type Token, type TokenPage } from './qlik-tenant.ts'
import type { RunTime } from './run-time.ts'
import { decideToken } from './scope.ts'

/** More is taken for a loop. */
const TOKENS_AT_MOST = 100_000
const PAGES_AT_MOST = 1_000

export interface ListOptions extends CallOptions {
  clock: Clock
  /** The time of the revocation's signals. */
  time: RunTime
}

/** One of the Qlik users whose tokens are listed. */
export interface ListedUser {
  id: string
  /** Whether it is the user of Curfew's own access token. */
  isOwn: boolean
}

/** All tokens of some users, as one pass over their pages showed them. Each token counts once, however often it is shown. */
export interface Listing {
  /** When it began, by the wall clock; ms since the epoch. */
  at: number
  /** The same on the monotonic clock. */
  beganAt: number
  /** The ids of the tokens in scope, in the order of the list. */
  inScope: Set<string>
  /** The ids of the others. */
  kept: Set<string>
  /** How many of the kept ones may be in scope, as far as the clocks show. */
  undecided: number
  /** The ids of the users who had tokens. */
  owners: Set<string>
  /** The most pages that one user had. */
  pages: number
  /** How many listings in a row, this one included, showed the same tokens. */
  listings: number
  /** The scopes of the access tokens by which it was listed. */
  scopes: Set<string>
  /** Why it is not complete, or null. */
  failure: unknown
}

/** The users whom a revocation means. */
export function usersOf(resolved: readonly string[], ownUserId: string): ListedUser[] {
  return resolved.map((id) => ({ id, isOwn: id === ownUserId }))
}

/**
 * Lists the tokens of all these users from the beginning, page by page, strictly one after the other. What was listed
 * before a page failed is kept, so that it can be revoked. What is in scope is decided at the end: the answers show the
 * tenant's clock. Rejects only when the signal aborts.
 * @param previous the listing before this one; null for the first
 */
export async function listAll(
  users: readonly ListedUser[],
  previous: Listing | null,
  tenant: Pick<QlikTenant, 'listTokens'>,
  options: ListOptions,
): Promise<Listing> {
  const { clock, signal } = options
  const beganAt = clock.monotonic()
  const found = new Map<string, Found>()
  const listing: Listing = {
    at: clock.now(),
    beganAt,
    inScope: new Set(),
    kept: new Set(),
    undecided: 0,
    owners: new Set(),
    pages: 0,
    listings: 1,
    scopes: new Set(),
    failure: null,
  }
  try {
    for (const user of users) await listUser(user, found, listing, tenant, options)
  } catch (error) {
    signal.throwIfAborted()
    listing.failure = error
  }
  decideAll(found, listing, options.time)
  if (previous && isSame(previous, listing)) listing.listings = previous.listings + 1
  return listing
}

/** A listed token, reduced to what decides about it. */
interface Found extends Pick<Token, 'id' | 'deviceType'> {
  owner: ListedUser
}

async function listUser(
  owner: ListedUser,
  found: Map<string, Found>,
  listing: Listing,
  tenant: Pick<QlikTenant, 'listTokens'>,
  options: ListOptions,
): Promise<void> {
  let count = 0
  const foundBefore = found.size
  for await (const page of pages(tenant, owner.id, options)) {
    count += 1
    listing.pages = Math.max(listing.pages, count)
    listing.scopes.add(page.scope)
    for (const { id, deviceType } of page.tokens) {
      listing.owners.add(owner.id)
      if (!found.has(id)) found.set(id, { id, deviceType, owner })
    }
    if (found.size - foundBefore > TOKENS_AT_MOST) throw endless()
  }
}

/** What each token is to the revocation. */
function decideAll(found: ReadonlyMap<string, Found>, listing: Listing, time: RunTime): void {
  const scopes = { own: time.scope(true), other: time.scope(false) }
  const tenantNow = time.tenantNow()
  for (const token of found.values()) {
    const scope = token.owner.isOwn ? scopes.own : scopes.other
    const { verdict } = decideToken(token, scope, tenantNow)
    if (verdict === 'undecided') listing.undecided += 1
    ;(verdict === 'revoke' ? listing.inScope : listing.kept).add(token.id)
  }
}

/** Whether two listings showed the same tokens. */
function isSame(a: Listing, b: Listing): boolean {
  return isEqual(a.inScope, b.inScope) && isEqual(a.kept, b.kept)
}

function isEqual(a: Set<string>, b: Set<string>): boolean {
  return a.size === b.size && [...a].every((id) => b.has(id))
}

/**
 * All pages of a user's tokens, strictly one after the other. Rejects with `unreadable` when the pages repeat or do not
 * end.
 */
export async function* pages(
  tenant: Pick<QlikTenant, 'listTokens'>,
  userId: string,
  options: CallOptions,
): AsyncGenerator<TokenPage, void> {
  const seen = new Set<string>()
  let page: string | null = null
  do {
    const current: TokenPage = await tenant.listTokens(userId, page, options)
    yield current
    page = current.next
    if (page !== null) {
      if (seen.has(page) || seen.size >= PAGES_AT_MOST) throw endless()
      seen.add(page)
    }
  } while (page !== null)
}

function endless(): QlikFailure {
  return new QlikFailure('unreadable', "Qlik Cloud's list of tokens does not end: its pages repeat.")
}
