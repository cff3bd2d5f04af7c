import type { TokenCounts } from './revocation.ts'

/**
 * Counts a user's tokens during one attempt. A token counts as gone only as long as no later list shows it again,
 * so that one which stays listed, whatever Qlik answers, is no progress and no success.
 */
export class TokenTally {
  /** As it stands; changes as the attempt goes on. */
  readonly counts: TokenCounts
  readonly #goneBefore: number
  readonly #gone = new Map<string, 'revoked' | 'alreadyGone'>()
  /** Tokens that remained when the attempt before this one ended, and have not been listed since. */
  #unseen: number
  #keptOfOthers = 0

  /** @param before the counts when the attempt before this one ended */
  constructor(before: TokenCounts) {
    this.counts = { ...before, kept: 0, remaining: 0 }
    this.#unseen = before.remaining
    this.#goneBefore = before.revoked + before.alreadyGone
  }

  /** Whether this attempt has made tokens go. */
  get hasProgressed(): boolean {
    return this.counts.revoked + this.counts.alreadyGone > this.#goneBefore
  }

  /** The next of several users' tokens are listed. */
  beginUser(): void {
    this.#keptOfOthers = this.counts.kept
  }

  /** The user's tokens are listed from the beginning. */
  beginSweep(): void {
    this.counts.kept = this.#keptOfOthers
    this.counts.remaining = 0
  }

  /** A token that is kept was listed. */
  keep(): void {
    this.counts.kept += 1
  }

  /** A token in scope was listed. The answer tells whether it is new, and not one that was already revoked. */
  list(id: string): boolean {
    this.counts.remaining += 1
    this.#unseen = Math.max(0, this.#unseen - 1)
    const how = this.#gone.get(id)
    if (how === undefined) return true
    this.#gone.delete(id)
    this.counts[how] -= 1
    return false
  }

  /** Qlik says that a listed token is revoked, or already gone. */
  go(id: string, how: 'revoked' | 'already-gone'): void {
    const count = how === 'revoked' ? 'revoked' : 'alreadyGone'
    this.#gone.set(id, count)
    this.counts[count] += 1
    this.counts.remaining -= 1
  }

  /** All is verified. What remained before and is listed no more went without our seeing it. */
  complete(): void {
    this.counts.alreadyGone += this.#unseen
    this.#unseen = 0
  }

  /** The attempt ends early. What remained before and was not listed yet still remains, as far as is known. */
  stop(): void {
    this.counts.remaining += this.#unseen
    this.#unseen = 0
  }
}
