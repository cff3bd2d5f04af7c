import type { Clock } from '../base/clock.ts'
import { QlikFailure, type UserMatch } from '../revocation/qlik-tenant.ts'
import type { UserReference } from '../revocation/signal.ts'
import { isPlainName, isSameName, isSimilarName } from '../revocation/user-names.ts'

/** One filter with this many terms fits into a URL whatever the names are, and into a page whatever their case. */
const TOGETHER_AT_MOST = 10
/** Calls that are as urgent or more, so that those which wait behind all others for the budget keep nobody else waiting. */
const UNDER_WAY_AT_MOST = 4
/**
 * Short: whoever is made anew under the same name has another id. Whoever was not there yet must not have been made, logged
 * in and logged out meanwhile, or their tokens would be missed.
 */
const FOUND_FOR_MS = 30_000
const NOT_FOUND_FOR_MS = 2_000
const REMEMBERED_AT_MOST = 1_000

/** Finds all users whom one of these names means, all names of one kind. */
export type Search = (users: readonly UserReference[], urgency: number) => Promise<UserMatch[]>

interface Pending {
  user: UserReference
  urgency: number
  found: PromiseWithResolvers<UserMatch[]>
}

/**
 * Users by their names, with few calls: a name that was looked up a moment ago is not looked up again, also where nobody
 * had it, and names that are asked for while calls are under way go together into the next one. So a burst of signals,
 * for users who are not there, too, does not use up the reads of the budget.
 *
 * What is known of a name is known of that exact text. Names go together only where each found user can belong to one of
 * them alone, whichever way Qlik Cloud compares: names that are not plain are asked for alone, and so are those that
 * differ in case.
 */
export class UserLookups {
  readonly #search: Search
  readonly #clock: Clock
  readonly #known = new Map<string, { matches: UserMatch[]; until: number }>()
  readonly #pending = new Map<string, Pending>()
  readonly #underWay = new Set<{ urgency: number }>()

  constructor(search: Search, clock: Clock) {
    this.#search = search
    this.#clock = clock
  }

  /** Those whom Qlik Cloud finds by this name. Rejects with what the search rejected with; that is not remembered. */
  find(user: UserReference, urgency: number): Promise<UserMatch[]> {
    const key = keyOf(user)
    const known = this.#known.get(key)
    if (known && known.until > this.#clock.monotonic()) return Promise.resolve(known.matches)
    const pending = this.#pending.get(key) ?? { user, urgency, found: Promise.withResolvers<UserMatch[]>() }
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

  /** The most urgent that waits, and others that may go with it; none while there are enough calls that are as urgent. */
  #take(): Pending[] {
    const batch: Pending[] = []
    const waiting = [...this.#pending].sort(([, one], [, other]) => one.urgency - other.urgency)
    const most = waiting[0]?.[1].urgency ?? 0
    if ([...this.#underWay].filter(({ urgency }) => urgency <= most).length >= UNDER_WAY_AT_MOST) return batch
    for (const [key, pending] of waiting) {
      if (batch.length === TOGETHER_AT_MOST) break
      if (!batch.every(({ user }) => mayGoTogether(user, pending.user))) continue
      batch.push(pending)
      this.#pending.delete(key)
    }
    return batch
  }

  /** Never rejects: whoever waits hears of it. */
  async #lookUp(batch: Pending[], urgency: number): Promise<void> {
    try {
      const matches = await this.#search(
        batch.map(({ user }) => user),
        urgency,
      )
      for (const { user, found } of batch) {
        const own = matches.filter(({ value }) => isSimilarName(value, user.value))
        this.#remember(keyOf(user), own)
        found.resolve(own)
      }
    } catch (error) {
      // It may be that only one of the names, or their number, is not understood, or that one finds similar names.
      const isOfBatch = error instanceof QlikFailure && ['rejected', 'unreadable'].includes(error.kind)
      if (batch.length > 1 && isOfBatch)
        for (const pending of batch) await this.#lookUp([pending], pending.urgency)
      else for (const { found } of batch) found.reject(error)
    }
  }

  #remember(key: string, matches: UserMatch[]): void {
    this.#known.delete(key)
    const until = this.#clock.monotonic() + (matches.length > 0 ? FOUND_FOR_MS : NOT_FOUND_FOR_MS)
    this.#known.set(key, { matches, until })
    // The one that was remembered first goes first.
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED_AT_MOST) break
      this.#known.delete(oldest)
    }
  }
}

function keyOf({ kind, value }: UserReference): string {
  return `${kind} ${value}`
}

function mayGoTogether(one: UserReference, other: UserReference): boolean {
  const arePlain = isPlainName(one.value) && isPlainName(other.value)
  return one.kind === other.kind && arePlain && !isSameName(one.value, other.value)
}
