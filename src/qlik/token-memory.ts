import type { Clock } from '../base/clock.ts'
import type { CallOptions, Gone, TokenFate } from '../revocation/qlik-tenant.ts'
import { isRefusal, mayDelete } from '../revocation/token-fate.ts'
import { type DeleteToken, SharedDelete } from './shared-delete.ts'

/**
 * Longer than the longest backoff between two attempts (5 minutes), so that the next attempt still recognizes its
 * tokens.
 */
const RETENTION_MS = 10 * 60_000
/** The number of tokens that one user may have. With ids of 24 digits this is about 20 MB. */
const MAX_REMEMBERED = 100_000

/**
 * Remembers what this process did to a tenant's tokens in the last minutes, for all revocations and their attempts.
 * So each token is deleted once, regardless of how many revocations list it and how long the list shows it.
 * Nothing is stored: a restart may repeat deletes that were in flight.
 */
export class TokenMemory {
  readonly #clock: Clock
  readonly #inFlight = new Map<string, SharedDelete>()
  /** In insertion order, oldest fate first. */
  readonly #fates = new Map<string, TokenFate>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The fate of a token; null if this process did not touch it recently. */
  fateOf(id: string): TokenFate | null {
    const fate = this.#fates.get(id)
    return fate && this.#ageOf(fate) < RETENTION_MS ? fate : null
  }

  /**
   * Deletes a token. If the last delete succeeded less than a minute ago, returns its result instead. Concurrent
   * callers share one delete.
   */
  async revoke(id: string, call: CallOptions, deleteToken: DeleteToken): Promise<Gone> {
    const fate = this.fateOf(id)
    if (fate?.kind === 'gone' && !mayDelete(fate, this.#clock.monotonic())) return fate.how
    const known = this.#inFlight.get(id)
    return (known && !known.isAbandoned ? known : this.#begin(id, call, deleteToken)).share(call)
  }

  #begin(id: string, call: CallOptions, deleteToken: DeleteToken): SharedDelete {
    const begun = new SharedDelete(call, (...args) => this.#remember(id, deleteToken(...args)))
    this.#inFlight.set(id, begun)
    const end = () => {
      if (this.#inFlight.get(id) === begun) this.#inFlight.delete(id)
    }
    begun.result.then(end, end)
    return begun
  }

  async #remember(id: string, deleting: Promise<Gone>): Promise<Gone> {
    try {
      return this.#noteGone(id, await deleting)
    } catch (error) {
      if (isRefusal(error)) this.#note(id, { kind: 'refused', failure: error, at: this.#clock.monotonic() })
      throw error
    }
  }

  #noteGone(id: string, result: Gone): Gone {
    const at = this.#clock.monotonic()
    const before = this.fateOf(id)
    const known = before?.kind === 'gone' ? before : null
    const how = known?.how === 'revoked' ? 'revoked' : result
    this.#note(id, { kind: 'gone', how, since: known?.since ?? at, at })
    return how
  }

  #note(id: string, fate: TokenFate): void {
    this.#fates.delete(id)
    this.#fates.set(id, fate)
    for (const [oldest, old] of this.#fates) {
      if (this.#fates.size <= MAX_REMEMBERED && this.#ageOf(old) < RETENTION_MS) break
      this.#fates.delete(oldest)
    }
  }

  #ageOf({ at }: TokenFate): number {
    return this.#clock.monotonic() - at
  }
}
