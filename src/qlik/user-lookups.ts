import type { Clock } from '../base/clock.ts'
import { QlikFailure, type UserSearch } from '../revocation/qlik-tenant.ts'
import type { UserReference } from '../revocation/signal.ts'
import { isPlainName, isSameName, isSimilarName } from '../revocation/user-names.ts'

/**
 * A filter with this many terms fits into a URL for any names, and its matches fit into a page, regardless of their
 * case.
 */
const MAX_BATCH_SIZE = 10
/**
 * Maximum concurrent calls of equal or higher urgency. Less urgent ones, which wait behind all others for the budget,
 * do not delay others.
 */
const MAX_CONCURRENT_SEARCHES = 4
/**
 * Short: a user recreated under the same name has a different id. For a name not found, even shorter: a user created,
 * logged in and logged out within this time would keep their tokens.
 */
const FOUND_TTL_MS = 30_000
const NOT_FOUND_TTL_MS = 2_000
const MAX_REMEMBERED = 1_000

/** Finds all users that match one of these names, all of one kind. */
export type Search = (users: readonly UserReference[], urgency: number) => Promise<UserSearch>

interface Pending {
  user: UserReference
  urgency: number
  found: PromiseWithResolvers<UserSearch>
}

/**
 * Looks up users by name with few calls: a recent result is reused, even if it was empty, and names requested while
 * calls are under way share the next one. So a burst of signals does not use up the read budget, even if the users do
 * not exist.
 *
 * Results are cached by the exact name. Names share a call only if each user found can match just one of them,
 * regardless of how Qlik Cloud compares them. Names that are not plain, and names that differ only in case, are looked
 * up separately.
 */
export class UserLookups {
  readonly #search: Search
  readonly #clock: Clock
  readonly #known = new Map<string, { search: UserSearch; until: number }>()
  readonly #pending = new Map<string, Pending>()
  readonly #underWay = new Set<{ urgency: number }>()

  constructor(search: Search, clock: Clock) {
    this.#search = search
    this.#clock = clock
  }

  /** Users that Qlik Cloud finds by this name. Rejects with the error of the search, which is not cached. */
  find(user: UserReference, urgency: number): Promise<UserSearch> {
    const key = keyOf(user)
    const known = this.#known.get(key)
    if (known && known.until > this.#clock.monotonic()) return Promise.resolve(known.search)
    const pending = this.#pending.get(key) ?? { user, urgency, found: Promise.withResolvers<UserSearch>() }
    pending.urgency = Math.min(pending.urgency, urgency)
    this.#pending.set(key, pending)
    this.#searchNext()
    return pending.found.promise
  }

  #searchNext(): void {
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      const urgency = Math.min(...batch.map((pending) => pending.urgency))
      const search = { urgency }
      this.#underWay.add(search)
      this.#lookUp(batch, urgency).finally(() => {
        this.#underWay.delete(search)
        this.#searchNext()
      })
    }
  }

  /**
   * Takes the most urgent pending lookup and others that may share its call; none while enough calls of the same
   * urgency are under way.
   */
  #take(): Pending[] {
    const batch: Pending[] = []
    const waiting = [...this.#pending].sort(([, one], [, other]) => one.urgency - other.urgency)
    const most = waiting[0]?.[1].urgency ?? 0
    if ([...this.#underWay].filter(({ urgency }) => urgency <= most).length >= MAX_CONCURRENT_SEARCHES)
      return batch
    for (const [key, pending] of waiting) {
      if (batch.length === MAX_BATCH_SIZE) break
      if (!batch.every(({ user }) => canShareCall(user, pending.user))) continue
      batch.push(pending)
      this.#pending.delete(key)
    }
    return batch
  }

  /** Never rejects: callers receive the error. */
  async #lookUp(batch: Pending[], urgency: number): Promise<void> {
    try {
      const { matches, seesAll } = await this.#search(
        batch.map(({ user }) => user),
        urgency,
      )
      for (const { user, found } of batch) {
        const own = { matches: matches.filter(({ value }) => isSimilarName(value, user.value)), seesAll }
        this.#remember(keyOf(user), own)
        found.resolve(own)
      }
    } catch (error) {
      // The cause may be one of the names, their number, or a name that matches similar ones.
      const isOfBatch = error instanceof QlikFailure && ['rejected', 'unreadable'].includes(error.kind)
      if (batch.length > 1 && isOfBatch)
        for (const pending of batch) await this.#lookUp([pending], pending.urgency)
      else for (const { found } of batch) found.reject(error)
    }
  }

  #remember(key: string, search: UserSearch): void {
    this.#known.delete(key)
    const until = this.#clock.monotonic() + (search.matches.length > 0 ? FOUND_TTL_MS : NOT_FOUND_TTL_MS)
    this.#known.set(key, { search, until })
    // Evict the oldest entry first.
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_REMEMBERED) break
      this.#known.delete(oldest)
    }
  }
}

function keyOf({ kind, value }: UserReference): string {
  return `${kind} ${value}`
}

function canShareCall(one: UserReference, other: UserReference): boolean {
  const arePlain = isPlainName(one.value) && isPlainName(other.value)
  return one.kind === other.kind && arePlain && !isSameName(one.value, other.value)
}
