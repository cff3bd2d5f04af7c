import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import { CurfewError } from '../../base/errors.ts'
import type { FetchJson } from './fetch-json.ts'
import { isProvingKey } from './proving-key.ts'

/** Keys are fetched anew after this time, so that one that was taken away ceases to be good. */
export const FRESH_FOR_MS = 10 * 60_000
/** For a key that is not known it is asked once in this time, however many tokens name one. */
export const COOLDOWN_MS = 30_000
/** After a failure it is asked sooner: until keys are there, nothing can be proven. It is what `Retry-After` says, too. */
export const FAILURE_COOLDOWN_MS = 5_000
/** While the issuer does not answer, its last keys stay good for this long. */
export const GOOD_FOR_MS = 24 * 60 * 60_000
/** Discovery and keys together; whoever sends a token gives up after 2.5 s. Asking goes on without them. */
export const LONGEST_WAIT_MS = 2_000

const Keys = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) })

export interface KeySetOptions {
  /** Finds out where the keys are. */
  address: () => Promise<string>
  fetchJson: FetchJson
  clock: Clock
}

interface Known {
  find: JWTVerifyGetKey
  fetchedAt: number
}

/** An issuer's public keys (RFC 7517), as many of them as tokens name and as seldom fetched as is safe. */
export class KeySet {
  readonly #options: KeySetOptions
  #known: Known | null = null
  #fetching: Promise<void> | null = null
  #notBefore = Number.NEGATIVE_INFINITY
  #failure: unknown = null

  constructor(options: KeySetOptions) {
    this.#options = options
  }

  /**
   * Finds the key that a token names, for `jwtVerify`. A token without `kid` is for the only key that its algorithm can
   * have; of several, none is tried (OpenID Connect Core 1.0, section 10.1: then it must name one).
   * @throws CURFEW_KEYS_UNAVAILABLE, whose cause is the last failure; what jose throws where there is no such key, or more than one
   */
  find: JWTVerifyGetKey = async (header, token) => {
    if (this.#age() > FRESH_FOR_MS) await this.#refresh()
    const found = await this.#find(header, token)
    if (found) return found
    await this.#refresh()
    const late = await this.#find(header, token)
    if (late) return late
    // Whether the issuer has such a key is not known while it does not answer: it may be a new one.
    if (this.#failure !== null || this.#fetching !== null) throw this.#unavailable()
    throw new errors.JWKSNoMatchingKey()
  }

  /** Null where there is no such key among those that are known. */
  async #find(
    ...[header, token]: Parameters<JWTVerifyGetKey>
  ): Promise<Awaited<ReturnType<JWTVerifyGetKey>> | null> {
    try {
      return await this.#current().find(header, token)
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return null
      throw error
    }
  }

  #age(): number {
    return this.#known ? this.#options.clock.monotonic() - this.#known.fetchedAt : Number.POSITIVE_INFINITY
  }

  #current(): Known {
    if (this.#known && this.#age() <= GOOD_FOR_MS) return this.#known
    throw this.#unavailable()
  }

  #unavailable(): CurfewError {
    const retryAfterSeconds = FAILURE_COOLDOWN_MS / 1000
    return new CurfewError('CURFEW_KEYS_UNAVAILABLE', undefined, { cause: this.#failure, retryAfterSeconds })
  }

  /** What is under way may be waited for, whoever began it. */
  #mayAsk(): boolean {
    return this.#fetching !== null || this.#options.clock.monotonic() >= this.#notBefore
  }

  /** Asks once for all who wait, and not again in the cooldown. Never rejects: who needs a key finds out. */
  async #refresh(): Promise<void> {
    if (!this.#mayAsk()) return
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null
    })
    const { promise: patience, resolve: lose } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(LONGEST_WAIT_MS, lose)
    await Promise.race([this.#fetching, patience])
    cancel()
  }

  async #fetch(): Promise<void> {
    const { address, fetchJson, clock } = this.#options
    try {
      const { keys } = Keys.parse(await fetchJson(await address()))
      // Read by the line above; jose checks each key itself when it is used.
      const set = { keys: keys.filter(isProvingKey) } as JSONWebKeySet
      this.#known = { find: createLocalJWKSet(set), fetchedAt: clock.monotonic() }
      this.#failure = null
      this.#notBefore = clock.monotonic() + COOLDOWN_MS
    } catch (error) {
      // The keys that are known stay; without any, `#current` says so.
      this.#failure = error
      this.#notBefore = clock.monotonic() + FAILURE_COOLDOWN_MS
    }
  }
}
