import type { Listing } from './listing.ts'
import type { Gone } from './qlik-tenant.ts'
import type { TokenCounts } from './revocation.ts'

/** `stuck`: still listed long after its delete; counts as remaining until it leaves the list. */
type State = 'remaining' | 'stuck' | 'revoked' | 'alreadyGone'

/** The known state of a recently deleted token; null if it was not deleted. */
export type Recall = (id: string) => { how: Gone; isStuck: boolean } | null

/**
 * Counts a user's tokens over all attempts of a revocation, each token once. For earlier processes only their counts
 * are known.
 */
export class TokenTally {
  /** Live counts, updated as the attempt proceeds. */
  readonly counts: TokenCounts
  readonly #states = new Map<string, State>()
  /** Number of tokens that remained when an earlier process ended and have not been listed since. */
  #unseen: number
  #goneBefore = 0

  /** @param before the counts stored with the revocation */
  constructor(before: TokenCounts) {
    this.counts = { ...before }
    this.#unseen = before.remaining
    this.#goneBefore = this.#gone
  }

  /** Number of tokens known by id. */
  get size(): number {
    return this.#states.size
  }

  /**
   * Starts another attempt. If the stored count of remaining tokens has changed in the meantime, those tokens were
   * listed.
   */
  beginAttempt({ kept, remaining }: Pick<TokenCounts, 'kept' | 'remaining'>): void {
    this.#unseen = Math.max(0, this.#unseen + remaining - this.counts.remaining)
    this.counts.kept = kept
    this.counts.remaining = remaining
    this.#goneBefore = this.#gone
  }

  /** Whether this attempt revoked any tokens. */
  get hasProgressed(): boolean {
    return this.#gone > this.#goneBefore
  }

  /** Applies a listing. An incomplete listing says nothing about tokens that it does not show. */
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

  /** Records that Qlik reports a listed token as revoked or already gone. */
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

  /** Unexpectedly listed tokens may be those that remained. */
  #see(count: number): void {
    const seen = Math.min(count, this.#unseen)
    this.#unseen -= seen
    this.counts.remaining -= seen
  }

  /** Tokens that remained and are not listed were revoked elsewhere. */
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
