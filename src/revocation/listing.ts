import type { Clock } from '../clock.ts'
import { type CallOptions, QlikFailure, type QlikTenant, type Token, type TokenPage } from './qlik-tenant.ts'
import type { Revocation } from './revocation.ts'
import { isInScope, scopeOf, type TokenScope } from './scope.ts'
import { LISTING_LAG_MS } from './token-fate.ts'

/** More is taken for a loop. */
const TOKENS_AT_MOST = 100_000
const PAGES_AT_MOST = 1_000

export interface ListOptions extends CallOptions {
  clock: Clock
}

/** One of the Qlik users whose tokens are listed, with what is wanted of them. */
export interface ListedUser {
  id: string
  scope: TokenScope
}

/** All tokens of some users, as one pass over their pages showed them. Each token counts once, however often it is shown. */
export interface Listing {
  /** When it began, by the wall clock; ms since the epoch. */
  at: number
  /** The ids of the tokens that are to be revoked, in the order of the list. */
  inScope: Set<string>
  /** The ids of those that are not. */
  kept: Set<string>
  /** Those among them of which the clocks do not tell whether they are in scope. */
  undecided: number
  /** The ids of the users who had tokens. */
  owners: Set<string>
  /** Of one user, at most. */
  pages: number
  /** How many listings in a row, this one included, showed the same tokens. */
  listings: number
  /** The scopes of the access tokens by which it was listed. */
  scopes: Set<string>
  /** Whether this process deleted none of the tenant's tokens meanwhile, nor so shortly before that the list may not show it. */
  undisturbed: boolean
  /** Why it is not complete, or null. */
  failure: unknown
}

/** The users whom a revocation means, each with what is wanted of them. */
export function usersOf(
  revocation: Revocation,
  resolved: readonly string[],
  ownUserId: string,
  tenant: QlikTenant,
): ListedUser[] {
  return resolved.map((id) => ({ id, scope: scopeOf(revocation, tenant, id === ownUserId) }))
}

/**
 * Lists the tokens of all these users from the beginning, page by page, strictly one after the other. What was listed
 * before a page failed is kept, so that it can be revoked. Rejects only when the signal aborts.
 * @param previous the listing before this one; null for the first
 */
export async function listAll(
  users: readonly ListedUser[],
  previous: Listing | null,
  tenant: QlikTenant,
  options: ListOptions,
): Promise<Listing> {
  const { clock, signal } = options
  const startedAt = clock.monotonic()
  const listing: Listing = {
    at: clock.now(),
    inScope: new Set(),
    kept: new Set(),
    undecided: 0,
    owners: new Set(),
    pages: 0,
    listings: 1,
    scopes: new Set(),
    undisturbed: false,
    failure: null,
  }
  try {
    for (const user of users) await listUser(user, listing, tenant, options)
  } catch (error) {
    signal.throwIfAborted()
    listing.failure = error
  }
  if (previous && isSame(previous, listing)) listing.listings = previous.listings + 1
  listing.undisturbed = tenant.quietForMs() >= clock.monotonic() - startedAt + LISTING_LAG_MS
  return listing
}

async function listUser(
  { id, scope }: ListedUser,
  listing: Listing,
  tenant: QlikTenant,
  options: ListOptions,
): Promise<void> {
  let count = 0
  const listedBefore = listing.inScope.size + listing.kept.size
  for await (const page of pages(tenant, id, options)) {
    count += 1
    listing.pages = Math.max(listing.pages, count)
    listing.scopes.add(page.scope)
    const tenantNow = options.clock.now() + tenant.clockOffset()
    for (const token of page.tokens) {
      listing.owners.add(id)
      if (listing.inScope.has(token.id) || listing.kept.has(token.id)) continue
      const verdict = judge(token, scope, tenantNow)
      if (verdict.isUndecided) listing.undecided += 1
      ;(verdict.isInScope ? listing.inScope : listing.kept).add(token.id)
    }
    if (listing.inScope.size + listing.kept.size - listedBefore > TOKENS_AT_MOST) throw endless()
  }
}

/** What a token is to a revocation. */
function judge(token: Token, scope: TokenScope, tenantNow: number) {
  return { isInScope: isInScope(token, scope, tenantNow), isUndecided: false }
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
