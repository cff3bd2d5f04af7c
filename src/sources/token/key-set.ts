import {
  createLocalJWKSet,
  decodeProtectedHeader,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
  jwtVerify,
} from 'jose'
import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import { CurfewError } from '../../base/errors.ts'
import type { FetchJson } from './fetch-json.ts'
import { isProvingKey } from './proving-key.ts'

/** Keys are fetched again after this time, so that a withdrawn key is not accepted for longer. */
export const FRESH_FOR_MS = 10 * 60_000
/** Minimum time after a fetch for a token until another one for unknown keys, regardless of how many tokens name one. */
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
  /** The ids of all published keys. */
  kids: ReadonlySet<unknown>
  fetchedAt: number
}

/** An issuer's public keys (RFC 7517), cached and fetched again when they are old or a token names an unknown key. */
export class KeySet {
  readonly #options: KeySetOptions
  #known: Known | null = null
  #fetching: Promise<void> | null = null
  #notBefore = Number.NEGATIVE_INFINITY
  #failure: unknown = null
  /** How many fetches were started, and which of them was the last that succeeded. */
  #started = 0
  #succeeded = 0

  constructor(options: KeySetOptions) {
    this.#options = options
  }

  /** The ids of the published keys, as far as known. */
  kids(): unknown[] {
    return [...(this.#known?.kids ?? [])]
  }

  /**
   * Fetches the keys before the first token, unless they are fresh: a provider with a single worker cannot serve them
   * while it sends a logout. Starts no cooldown, so a token with an unknown key still causes a fetch.
   * @throws the failure of the fetch
   */
  async prefetch(): Promise<void> {
    if (this.#isFresh()) return
    await this.#fetchOnce(false)
    if (!this.#isFresh()) throw this.#failure
  }

  /**
   * Verifies a token with the key that `find` returns. If the token names no key and its signature is by none of the
   * known ones, its key may be new.
   * @throws like `find`, and jose's errors
   */
  async verify(token: string, options: JWTVerifyOptions): Promise<JWTVerifyResult> {
    const since = this.#started
    try {
      return await jwtVerify(token, this.find, options)
    } catch (error) {
      const isSigned = !(error instanceof errors.JWSSignatureVerificationFailed)
      if (isSigned || this.#succeeded > since || decodeProtectedHeader(token).kid !== undefined) throw error
      await this.#renew(since)
      if (this.#succeeded <= since) throw this.#missing(since, undefined)
      return await jwtVerify(token, this.find, options)
    }
  }

  /**
   * Finds the key that a token names, for `jwtVerify`. A token without `kid` matches the only key for its algorithm. If
   * there are several, none is tried, because then the token must name one (OpenID Connect Core 1.0, section 10.1).
   * @throws CURFEW_KEYS_UNAVAILABLE with the last failure as its cause; CURFEW_KEY_LOOKUP_DEFERRED if the key is
   * unknown and the keys cannot be fetched now; jose's error if no key matches, or more than one
   */
  find: JWTVerifyGetKey = async (header, token) => {
    const since = this.#started
    if (!this.#isFresh()) await this.#refreshUntil(() => this.#isFresh())
    const found = await this.#find(header, token)
    if (found) return found
    await this.#renew(since)
    const late = await this.#find(header, token)
    if (late) return late
    throw this.#missing(since, header.kid)
  }

  /**
   * Fetches the keys unless a fetch has succeeded that started after the first `since` fetches: an earlier one may have
   * missed a new key.
   */
  #renew(since: number): Promise<void> {
    return this.#refreshUntil(() => this.#succeeded > since)
  }

  /** Why no key was found. Unless it is certain, the sender must try again: the key may be new. */
  #missing(since: number, kid: string | undefined): Error {
    if (this.#succeeded > since) return new errors.JWKSNoMatchingKey()
    if (this.#failure !== null || this.#fetching !== null) return this.#unavailable()
    // A key that is published, but unusable or for another algorithm.
    if (kid !== undefined && this.#known?.kids.has(kid)) return new errors.JWKSNoMatchingKey()
    const waitMs = this.#notBefore - this.#options.clock.monotonic()
    const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000))
    const message =
      'No known key of the issuer matches the token (kid), and the keys cannot be fetched again yet.'
    return new CurfewError('CURFEW_KEY_LOOKUP_DEFERRED', message, { retryAfterSeconds })
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

  #isFresh(): boolean {
    return this.#age() <= FRESH_FOR_MS
  }

  /** Whether a fetch is in progress or may start now. */
  #canFetch(): boolean {
    return this.#fetching !== null || this.#options.clock.monotonic() >= this.#notBefore
  }

  /**
   * Fetches until done, as far as the cooldown and the longest wait permit; callers share fetches. Never rejects: `find`
   * reports missing keys.
   */
  async #refreshUntil(isDone: () => boolean): Promise<void> {
    let isLate = false
    const { promise: timeout, resolve: expire } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(LONGEST_WAIT_MS, () => {
      isLate = true
      expire()
    })
    while (!isLate && !isDone() && this.#canFetch()) await Promise.race([this.#fetchOnce(true), timeout])
    cancel()
  }

  /** Joins the fetch in progress, or starts one. Never rejects. */
  #fetchOnce(startsCooldown: boolean): Promise<void> {
    this.#fetching ??= this.#fetch(startsCooldown).finally(() => {
      this.#fetching = null
    })
    return this.#fetching
  }

  async #fetch(startsCooldown: boolean): Promise<void> {
    const { address, fetchJson, clock } = this.#options
    this.#started += 1
    const number = this.#started
    const cooldown = (ms: number) => {
      if (startsCooldown) this.#notBefore = clock.monotonic() + ms
    }
    try {
      const { keys } = Keys.parse(await fetchJson(await address()))
      // Parsed above as far as needed; jose checks each key when it is used.
      const set = { keys: keys.filter(isProvingKey) } as JSONWebKeySet
      const kids = new Set(keys.map(({ kid }) => kid))
      this.#known = { find: createLocalJWKSet(set), kids, fetchedAt: clock.monotonic() }
      this.#failure = null
      this.#succeeded = number
      cooldown(COOLDOWN_MS)
    } catch (error) {
      // Cached keys are kept; `#current` throws if there are none.
      this.#failure = error
      cooldown(FAILURE_COOLDOWN_MS)
    }
  }
}
