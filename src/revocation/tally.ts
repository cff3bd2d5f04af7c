import type { Listing } from './listing.ts'
import type { Gone } from './qlik-tenant.ts'
import type { TokenCounts } from './revocation.ts'

/** `stuck`: still listed long after its delete; it counts as remaining until the list shows it no more. */
type State = 'remaining' | 'stuck' | 'revoked' | 'alreadyGone'

/** What is known of a token that was deleted lately; null where it was not. */
export type Recall = (id: string) => { how: Gone; isStuck: boolean } | null

/**
 * Counts a user's tokens over all attempts of a revocation, each token once. What earlier processes have counted is
 * known as numbers only.
 */
export class TokenTally {
  /** As it stands; changes as the attempt goes on. */
  readonly counts: TokenCounts
  readonly #states = new Map<string, State>()
  /** Tokens that remained when an earlier process ended, and have not been listed since. */
  #unseen: number
  #goneBefore = 0

  /** @param before the counts that are stored with the revocation */
  constructor(before: TokenCounts) {
    this.counts = { ...before }
    this.#unseen = before.remaining
    this.#goneBefore = this.#gone
  }

  /** How many tokens it knows by id. */
  get size(): number {
    return this.#states.size
  }

  /** Another attempt begins. Whoever stored other tokens as remaining in the meantime has listed them. */
  beginAttempt({ kept, remaining }: Pick<TokenCounts, 'kept' | 'remaining'>): void {
    this.#unseen = Math.max(0, this.#unseen + remaining - this.counts.remaining)
    this.counts.kept = kept
    this.counts.remaining = remaining
    this.#goneBefore = this.#gone
  }

  /** Whether this attempt has made tokens go. */
  get hasProgressed(): boolean {
    return this.#gone > this.#goneBefore
  }

  /** Takes in what a listing showed; one that is not complete says nothing of tokens that it does not show. */
  note({ inScope, kept, failure }: Pick<Listing, 'inScope' | 'kept' | 'failure'>, recall: Recall): void {
    let unexpected = 0
    for (const id of inScope) {
      const state = this.#states.get(id)
      if (state === undefined || !isRemaining(state)) unexpected += 1
      this.#set(id, listedState(recall(id)))
    }
    this.#see(unexpected)
    if (failure !== null) return
    this.counts.kept = kept.size
    this.#vanishUnseen()
    for (const [id, state] of this.#states) {
      if (kept.has(id)) this.#forget(id)
      else if (isRemaining(state) && !inScope.has(id)) this.#set(id, goneState(recall(id)?.how))
    }
  }

  /** Qlik says that a listed token is revoked, or already gone. */
  go(id: string, how: Gone): void {
    if (this.#states.get(id) !== 'stuck') this.#set(id, goneState(how))
  }

  get #gone(): number {
    return this.counts.revoked + this.counts.alreadyGone
  }

  #set(id: string, state: State): void {
    this.#uncount(id)
    this.#states.set(id, state)
    this.counts[countOf(state)] += 1
  }

  #forget(id: string): void {
    this.#uncount(id)
    this.#states.delete(id)
  }

  #uncount(id: string): void {
    const state = this.#states.get(id)
    if (state !== undefined) this.counts[countOf(state)] -= 1
  }

  /** Tokens that are listed unexpectedly may be those that remained. */
  #see(count: number): void {
    const seen = Math.min(count, this.#unseen)
    this.#unseen -= seen
    this.counts.remaining -= seen
  }

  /** What remained and is listed no more went without this process. */
  #vanishUnseen(): void {
    this.counts.alreadyGone += this.#unseen
    this.#see(this.#unseen)
  }
}

function listedState(fate: ReturnType<Recall>): State {
  if (fate === null) return 'remaining'
  return fate.isStuck ? 'stuck' : goneState(fate.how)
}

function goneState(how: Gone = 'already-gone'): State {
  return how === 'revoked' ? 'revoked' : 'alreadyGone'
}

function isRemaining(state: State): boolean {
  return countOf(state) === 'remaining'
}

function countOf(state: State): 'remaining' | 'revoked' | 'alreadyGone' {
  return state === 'stuck' ? 'remaining' : state
}
