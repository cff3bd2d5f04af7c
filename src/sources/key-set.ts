import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { FetchError, type FetchJson } from './fetch-json.ts'
import { isProvingKey } from './proving-key.ts'
import { isKeyAddress } from './source-schema.ts'
import { wellKnownAddress } from './well-known.ts'

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
const Discovery = z.looseObject({ issuer: z.string(), jwks_uri: z.string() })

export interface KeySetOptions {
  issuer: string
  /** Where the keys are, or null: then the issuer tells, at its well-known address. */
  jwksUri: string | null
  /** The well-known document that tells: `openid-configuration` or `ssf-configuration`. */
  wellKnown: string
  fetchJson: FetchJson
  clock: Clock
}

/** The issuer's keys cannot be had: nothing can be proven for the moment. The cause is the last failure. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable'
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
   * @throws KeysUnavailable; what jose throws where there is no such key, or more than one
   */
  find: JWTVerifyGetKey = async (header, token) => {
    if (this.#age() > FRESH_FOR_MS) await this.#refresh()
    try {
      return await this.#current().find(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !this.#mayAsk()) throw error
      await this.#refresh()
      return this.#current().find(header, token)
    }
  }

  #age(): number {
    return this.#known ? this.#options.clock.monotonic() - this.#known.fetchedAt : Number.POSITIVE_INFINITY
  }

  #current(): Known {
    if (this.#known && this.#age() <= GOOD_FOR_MS) return this.#known
    throw new KeysUnavailable('The keys of the issuer cannot be fetched.', { cause: this.#failure })
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
    const { fetchJson, clock } = this.#options
    try {
      const { keys } = Keys.parse(await fetchJson(await this.#address()))
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

  /** Told by the issuer: only at its own host, where nobody else can put keys. Another one has to be configured. */
  async #address(): Promise<string> {
    const { issuer, jwksUri, wellKnown, fetchJson } = this.#options
    if (jwksUri !== null) return jwksUri
    const found = Discovery.parse(await fetchJson(wellKnownAddress(issuer, wellKnown)))
    const isOwn = found.issuer === issuer && isKeyAddress(found.jwks_uri)
    if (!isOwn || new URL(found.jwks_uri).host !== new URL(issuer).host)
      throw new FetchError('DISCOVERY_OF_ANOTHER_ISSUER_OR_HOST')
    return found.jwks_uri
  }
}
