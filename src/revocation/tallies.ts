import type { Clock } from '../base/clock.ts'
import type { Revocation, TokenCounts } from './revocation.ts'
import { TokenTally } from './tally.ts'

/** Longer than the longest backoff between two attempts, which is 5 minutes. */
const RETENTION_MS = 10 * 60_000
/** For all tallies together. With ids of 24 digits this is about 20 MB. */
const MAX_TOKENS = 200_000

interface Kept {
  tally: TokenTally
  at: number
}

/**
 * Recent tallies by revocation, so that the next attempt in this process knows which tokens were counted. Nothing is
 * stored; without a tally, the next attempt continues from the stored counts.
 */
export class Tallies {
  readonly #clock: Clock
  /** In insertion order, oldest first. */
  readonly #kept = new Map<string, Kept>()
  #tokens = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The tally for a revocation's next attempt; a new one if another process has counted in the meantime. */
  resume({ id, tokens }: Pick<Revocation, 'id' | 'tokens'>): TokenTally {
    const kept = this.#take(id)
    if (kept === null || this.#isOld(kept) || !isSameGone(kept.tally.counts, tokens)) {
      return new TokenTally(tokens)
    }
    kept.tally.beginAttempt(tokens)
    return kept.tally
  }

  /** Keeps the tally of an attempt that has ended. */
  keep(id: string, tally: TokenTally): void {
    this.#take(id)
    this.#kept.set(id, { tally, at: this.#clock.monotonic() })
    this.#tokens += tally.size
    for (const [oldest, kept] of this.#kept) {
      if (this.#tokens <= MAX_TOKENS && !this.#isOld(kept)) break
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
    return this.#clock.monotonic() - at >= RETENTION_MS
  }
}

function isSameGone(a: TokenCounts, b: TokenCounts): boolean {
  return a.revoked === b.revoked && a.alreadyGone === b.alreadyGone
}
