import type { Clock } from '../base/clock.ts'
import { type Moment, momentOf } from '../base/moment.ts'
import { type CallOptions, QlikFailure, type QlikTenant, type Token, type TokenPage } from './qlik-tenant.ts'
import type { RunTime } from './run-time.ts'
import { decideToken } from './scope.ts'

/** Larger listings are treated as a loop. */
const MAX_TOKENS = 100_000
const MAX_PAGES = 1_000

export interface ListOptions extends CallOptions {
  clock: Clock
  /** The time of the revocation's signals. */
  time: RunTime
}

/** A Qlik user whose tokens are listed. */
export interface ListedUser {
  id: string
  /** Whether this is the user of Curfew's own access token. */
  isOwn: boolean
}

/**
 * All tokens of some users, as shown by one pass over their pages. Each token counts once, even if it is shown
 * repeatedly.
 */
export interface Listing {
  beganAt: Moment
  /** Ids of the tokens in scope, in list order. */
  inScope: Set<string>
  /** Ids of all other tokens. */
  kept: Set<string>
  /** Number of kept tokens that may be in scope, as far as the clocks show. */
  undecided: number
  /** Ids of the users that had tokens. */
  owners: Set<string>
  /** The highest number of pages of any one user. */
  pages: number
  /** Number of consecutive listings, this one included, that showed the same tokens. */
  listings: number
  /** Ids of the OAuth clients that made the listing; more than one if a client failed in between. */
  clients: Set<string>
  /** Scopes of the access tokens used for the listing. */
  scopes: Set<string>
  /** Why the listing is incomplete, or null. */
  failure: unknown
}

/** The users that a revocation covers. */
export function usersOf(resolved: readonly string[], ownUserIds: ReadonlySet<string>): ListedUser[] {
  return resolved.map((id) => ({ id, isOwn: ownUserIds.has(id) }))
}

/**
 * Lists the tokens of all these users from the beginning, one page at a time. Tokens listed before a page failed are
 * kept, so that they can be revoked. The scope is decided at the end, because the responses reveal the tenant's
 * clock. Rejects only if the signal aborts.
 * @param previous the preceding listing; null for the first
 */
export async function listAll(
  users: readonly ListedUser[],
  previous: Listing | null,
  tenant: Pick<QlikTenant, 'listTokens'>,
  options: ListOptions,
): Promise<Listing> {
  const { clock, signal } = options
  const found = new Map<string, Found>()
  const listing: Listing = {
    beganAt: momentOf(clock),
    inScope: new Set(),
    kept: new Set(),
    undecided: 0,
    owners: new Set(),
    pages: 0,
    listings: 1,
    clients: new Set(),
    scopes: new Set(),
    failure: null,
  }
  try {
    // One client, also for a repeated listing: clients may see different tokens.
    const preferredClient = previous ? onlyClient(previous) : undefined
    for (const user of users) await listUser(user, found, listing, tenant, { ...options, preferredClient })
  } catch (error) {
    signal.throwIfAborted()
    listing.failure = error
  }
  decideAll(found, listing, options.time)
  if (previous && isSame(previous, listing)) listing.listings = previous.listings + 1
  return listing
}

/** The parts of a listed token that decide its scope. */
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
  const preferredClient = onlyClient(listing) ?? options.preferredClient
  for await (const page of pages(tenant, owner.id, { ...options, preferredClient })) {
    count += 1
    listing.pages = Math.max(listing.pages, count)
    listing.clients.add(page.client)
    listing.scopes.add(page.scope)
    for (const { id, deviceType } of page.tokens) {
      listing.owners.add(owner.id)
      if (!found.has(id)) found.set(id, { id, deviceType, owner })
    }
    if (found.size - foundBefore > MAX_TOKENS) throw endless()
  }
}

/** Sorts the tokens into those in scope and those kept. */
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

/** The client that made a listing; undefined if there was none, or several. */
export function onlyClient({ clients }: Pick<Listing, 'clients'>): string | undefined {
  return clients.size === 1 ? [...clients][0] : undefined
}

function isSame(a: Listing, b: Listing): boolean {
  return isEqual(a.clients, b.clients) && isEqual(a.inScope, b.inScope) && isEqual(a.kept, b.kept)
}

function isEqual(a: Set<string>, b: Set<string>): boolean {
  return a.size === b.size && [...a].every((id) => b.has(id))
}

/** All pages of a user's tokens, one at a time, read by one client. Rejects with `unreadable` if the pages repeat or do not end. */
export async function* pages(
  tenant: Pick<QlikTenant, 'listTokens'>,
  userId: string,
  options: CallOptions,
): AsyncGenerator<TokenPage, void> {
  const seen = new Set<string>()
  let { client } = options
  let page: string | null = null
  do {
    const current: TokenPage = await tenant.listTokens(userId, page, { ...options, client })
    client = current.client
    yield current
    page = current.next
    if (page !== null) {
      if (seen.has(page) || seen.size >= MAX_PAGES) throw endless()
      seen.add(page)
    }
  } while (page !== null)
}

function endless(): QlikFailure {
  return new QlikFailure('unreadable', "Qlik Cloud's list of tokens does not end: its pages repeat.")
}
