import type { Clock } from '../base/clock.ts'
import type { Revocation, TokenCounts } from './revocation.ts'
import { TokenTally } from './tally.ts'

/** Longer than the longest backoff between two attempts, which is 5 minutes. */
const KEPT_FOR_MS = 10 * 60_000
/** Of all tallies together. With ids of 24 digits these are about 20 MB. */
const TOKENS_AT_MOST = 200_000

interface Kept {
  tally: TokenTally
  at: number
}

/**
 * The tallies of the last minutes, by revocation: so that the next attempt in this process knows which tokens were
 * counted. Nothing is stored; where a tally is gone, the next attempt goes on with the numbers that are.
 */
export class Tallies {
  readonly #clock: Clock
  /** The one that was kept first comes first. */
  readonly #kept = new Map<string, Kept>()
  #tokens = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The tally of a revocation's next attempt; a new one where another process has counted in the meantime. */
  resume({ id, tokens }: Pick<Revocation, 'id' | 'tokens'>): TokenTally {
    const kept = this.#take(id)
    if (kept === null || this.#isOld(kept) || !isSameGone(kept.tally.counts, tokens)) {
      return new TokenTally(tokens)
    }
    kept.tally.beginAttempt(tokens)
    return kept.tally
  }

  /** An attempt has ended. */
  keep(id: string, tally: TokenTally): void {
    this.#take(id)
    this.#kept.set(id, { tally, at: this.#clock.monotonic() })
    this.#tokens += tally.size
    for (const [oldest, kept] of this.#kept) {
      if (this.#tokens <= TOKENS_AT_MOST && !this.#isOld(kept)) break
      this.#take(oldest)
    }
  }

  #take(id: string): Kept | null {
    const kept = this.#kept.get(id)
    if (!kept) return null
    this.#kept.delete(id)
    this.#tokens -= kept.tally.size
    return kept
  }

  #isOld({ at }: Kept): boolean {
    return this.#clock.monotonic() - at >= KEPT_FOR_MS
  }
}

function isSameGone(a: TokenCounts, b: TokenCounts): boolean {
  return a.revoked === b.revoked && a.alreadyGone === b.alreadyGone
}
