import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import { CurfewError } from '../../base/errors.ts'
import type { FetchJson } from './fetch-json.ts'
import { isProvingKey } from './proving-key.ts'

/** Keys are fetched again after this time, so that a withdrawn key is not accepted for longer. */
export const FRESH_FOR_MS = 10 * 60_000
/** Minimum time between two fetches for unknown keys, regardless of how many tokens name one. */
export const COOLDOWN_MS = 30_000
/**
 * Minimum time between two fetches after a failure, also sent as `Retry-After`. Without keys, no token can be verified.
 */
export const FAILURE_COOLDOWN_MS = 5_000
/** How long keys stay valid while the issuer is unavailable. */
export const VALID_FOR_MS = 24 * 60 * 60_000
/** How long a token waits for discovery and keys; some senders give up after 2.5 s. The fetch itself continues. */
export const LONGEST_WAIT_MS = 2_000

const Keys = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) })

export interface KeySetOptions {
  /** Resolves to the address of the keys. */
  address: () => Promise<string>
  fetchJson: FetchJson
  clock: Clock
}

interface Known {
  find: JWTVerifyGetKey
  fetchedAt: number
}

/** An issuer's public keys (RFC 7517), cached and fetched again when they are old or a token names an unknown key. */
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
   * Finds the key that a token names, for `jwtVerify`. A token without `kid` matches the only key for its algorithm. If
   * there are several, none is tried, because then the token must name one (OpenID Connect Core 1.0, section 10.1).
   * @throws CURFEW_KEYS_UNAVAILABLE with the last failure as its cause; jose's error if no key matches, or more than
   * one
   */
  find: JWTVerifyGetKey = async (header, token) => {
    if (this.#age() > FRESH_FOR_MS) await this.#refresh()
    const found = await this.#find(header, token)
    if (found) return found
    await this.#refresh()
    const late = await this.#find(header, token)
    if (late) return late
    // The key may be new, which is unknown while the issuer is unavailable.
    if (this.#failure !== null || this.#fetching !== null) throw this.#unavailable()
    throw new errors.JWKSNoMatchingKey()
  }

  /** Null if no cached key matches. */
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
    if (this.#known && this.#age() <= VALID_FOR_MS) return this.#known
    throw this.#unavailable()
  }

  #unavailable(): CurfewError {
    const retryAfterSeconds = FAILURE_COOLDOWN_MS / 1000
    return new CurfewError('CURFEW_KEYS_UNAVAILABLE', undefined, { cause: this.#failure, retryAfterSeconds })
  }

  /** Whether a fetch is in progress or may start now. */
  #canFetch(): boolean {
    return this.#fetching !== null || this.#options.clock.monotonic() >= this.#notBefore
  }

  /**
   * Waits for one fetch, shared by all callers; does nothing within the cooldown. Never rejects: `find` reports missing
   * keys.
   */
  async #refresh(): Promise<void> {
    if (!this.#canFetch()) return
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null
    })
    const { promise: timeout, resolve: expire } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(LONGEST_WAIT_MS, expire)
    await Promise.race([this.#fetching, timeout])
    cancel()
  }

  async #fetch(): Promise<void> {
    const { address, fetchJson, clock } = this.#options
    try {
      const { keys } = Keys.parse(await fetchJson(await address()))
      // Parsed above as far as needed; jose checks each key when it is used.
      const set = { keys: keys.filter(isProvingKey) } as JSONWebKeySet
      this.#known = { find: createLocalJWKSet(set), fetchedAt: clock.monotonic() }
      this.#failure = null
      this.#notBefore = clock.monotonic() + COOLDOWN_MS
    } catch (error) {
      // Cached keys are kept; `#current` throws if there are none.
      this.#failure = error
      this.#notBefore = clock.monotonic() + FAILURE_COOLDOWN_MS
    }
  }
}
