import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { FetchJson } from './fetch-json.ts'
import { isKeyAddress } from './source-schema.ts'
import { type WellKnown, wellKnownAddress } from './well-known.ts'

/** Keys are fetched anew after this time, so that one that was taken away ceases to be good. */
const FRESH_FOR_MS = 10 * 60_000
/** For a key that is not known it is asked once in this time, however many tokens name one. */
const COOLDOWN_MS = 30_000
/** While the issuer does not answer, its last keys stay good for this long. */
const GOOD_FOR_MS = 24 * 60 * 60_000

const Keys = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) })
const Discovery = z.looseObject({ issuer: z.string(), jwks_uri: z.string() })

export interface KeySetOptions {
  issuer: string
  /** Where the keys are, or null: then the issuer tells, at its well-known address. */
  jwksUri: string | null
  /** The well-known document that tells: `openid-configuration` or `ssf-configuration`. */
  wellKnown: WellKnown
  fetchJson: FetchJson
  clock: Clock
}

/** The issuer's keys cannot be had: nothing can be proven for the moment. */
export class KeysUnavailable extends Error {}

interface Known {
  find: JWTVerifyGetKey
  fetchedAt: number
}

/** An issuer's public keys (RFC 7517), as many of them as tokens name and as seldom fetched as is safe. */
export class KeySet {
  readonly #options: KeySetOptions
  #known: Known | null = null
  #fetching: Promise<void> | null = null
  #triedAt = Number.NEGATIVE_INFINITY

  constructor(options: KeySetOptions) {
    this.#options = options
  }

  /**
   * Finds the key that a token names, for `jwtVerify`.
   * @throws KeysUnavailable; what jose throws where there is no such key
   */
  find: JWTVerifyGetKey = async (header, token) => {
    const age = this.#age()
    // What is known goes on to be used while it is fetched anew.
    if (age > GOOD_FOR_MS) await this.#refresh()
    else if (age > FRESH_FOR_MS) this.#refresh().catch(() => {})
    try {
      return await this.#current().find(header, token)
    } catch (error) {
      if (error instanceof KeysUnavailable || this.#isCoolingDown()) throw error
      await this.#refresh()
      return this.#current().find(header, token)
    }
  }

  #age(): number {
    return this.#known ? this.#options.clock.monotonic() - this.#known.fetchedAt : Number.POSITIVE_INFINITY
  }

  #current(): Known {
    if (!this.#known || this.#age() > GOOD_FOR_MS)
      throw new KeysUnavailable('The keys of the issuer cannot be fetched.')
    return this.#known
  }

  #isCoolingDown(): boolean {
    return this.#options.clock.monotonic() - this.#triedAt < COOLDOWN_MS
  }

  /** Asks once for all who wait, and not again in the cooldown. Never rejects: who needs a key finds out. */
  async #refresh(): Promise<void> {
    if (!this.#fetching && this.#isCoolingDown()) return
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null
    })
    await this.#fetching
  }

  async #fetch(): Promise<void> {
    this.#triedAt = this.#options.clock.monotonic()
    try {
      const { keys } = Keys.parse(await this.#options.fetchJson(await this.#address()))
      // A symmetric key in a public set would be no secret: nothing may be proven by it.
      const asymmetric = keys.filter(({ kty }) => kty !== 'oct')
      const set = { keys: asymmetric } as JSONWebKeySet
      this.#known = { find: createLocalJWKSet(set), fetchedAt: this.#options.clock.monotonic() }
    } catch {
      // The keys that are known stay; without any, `#current` says so.
    }
  }

  /** Told by the issuer: only at its own host, where nobody else can put keys. Another one has to be configured. */
  async #address(): Promise<string> {
    const { issuer, jwksUri, wellKnown, fetchJson } = this.#options
    if (jwksUri !== null) return jwksUri
    const found = Discovery.parse(await fetchJson(wellKnownAddress(issuer, wellKnown)))
    const isOwn = found.issuer === issuer && isKeyAddress(found.jwks_uri)
    if (!isOwn || new URL(found.jwks_uri).host !== new URL(issuer).host) throw new Error('not of this issuer')
    return found.jwks_uri
  }
}
