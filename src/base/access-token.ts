import { z } from 'zod'
import type { Clock } from './clock.ts'
import { elapsedMs, type Moment, momentOf } from './moment.ts'

/** Renewed in the background when less than this part of its life is left. */
const RENEW_AHEAD = 0.1
/** Not used any more when less than this is left: the call takes time, too. */
const MARGIN_MS = 5_000
/** A renewal ahead of time that fails is not tried at every call: the token at hand still works. */
const PAUSE_AFTER_RENEWAL_MS = 10_000

/** When the token endpoint does not say how long its token lives. Qlik's live 6 hours. */
const UNTOLD_LIFETIME_MS = 5 * 60_000
const LONGEST_LIFETIME_MS = 24 * 60 * 60_000
/** Shorter, and a token would end while its call waits; a 401 tells when it really has. */
const SHORTEST_LIFETIME_MS = 30_000

/** An access token in an answer (RFC 6749, section 5.1). Whatever else it is, it goes into a header. */
export const AccessTokenText = z.string().regex(/^[\x21-\x7e]{1,16384}$/)

export interface AccessToken {
  value: string
  /** From now on, in ms. */
  lifetimeMs: number
}

/**
 * For how long a token is used, in ms.
 * @param told what the token endpoint says, in ms; a short life is taken where that makes no sense
 */
export function boundedLifetime(told: number): number {
  if (!(told > 0)) return UNTOLD_LIFETIME_MS
  return Math.min(Math.max(told, SHORTEST_LIFETIME_MS), LONGEST_LIFETIME_MS)
}

interface Cached<T extends AccessToken> {
  token: T
  fetchedAt: Moment
}

/**
 * One access token, kept in memory and shared by all callers. It is fetched once, however many ask at the same
 * time, and renewed before it ends. A failure reaches all who wait for it and is never kept: the next caller
 * asks again.
 */
export class AccessTokenCache<T extends AccessToken> {
  readonly #fetch: () => Promise<T>
  readonly #clock: Clock
  readonly #onRenewalFailure: (error: unknown) => void
  #cached: Cached<T> | null = null
  #fetching: Promise<T> | null = null
  #renewNotBefore = 0

  /** @param fetch asks the token endpoint, once */
  constructor(
    fetch: () => Promise<T>,
    { clock, onRenewalFailure }: { clock: Clock; onRenewalFailure: (error: unknown) => void },
  ) {
    this.#fetch = fetch
    this.#clock = clock
    this.#onRenewalFailure = onRenewalFailure
  }

  /** A usable access token. Rejects with what `fetch` rejected with. */
  async get(): Promise<T> {
    const current = this.current()
    if (current === null) return this.#fetchOnce()
    if (this.#left() < RENEW_AHEAD * this.#lifetime()) this.#renewAhead()
    return current
  }

  /** The access token if there is a usable one, without waiting. */
  current(): T | null {
    const margin = Math.min(MARGIN_MS, this.#lifetime() * RENEW_AHEAD)
    return this.#cached && this.#left() > margin ? this.#cached.token : null
  }

  /** Forgets `value`, if it is still the current one: it was not accepted. */
  invalidate(value: string): void {
    if (this.#cached?.token.value === value) this.#cached = null
  }

  #lifetime(): number {
    return this.#cached?.token.lifetimeMs ?? 0
  }

  #left(): number {
    if (!this.#cached) return 0
    return this.#cached.token.lifetimeMs - elapsedMs(this.#clock, this.#cached.fetchedAt)
  }

  #renewAhead(): void {
    if (this.#clock.monotonic() < this.#renewNotBefore) return
    this.#renewNotBefore = this.#clock.monotonic() + PAUSE_AFTER_RENEWAL_MS
    this.#fetchOnce().catch(this.#onRenewalFailure)
  }

  #fetchOnce(): Promise<T> {
    this.#fetching ??= this.#fetchAndKeep().finally(() => {
      this.#fetching = null
    })
    return this.#fetching
  }

  async #fetchAndKeep(): Promise<T> {
    const token = await this.#fetch()
    this.#cached = { token, fetchedAt: momentOf(this.#clock) }
    return token
  }
}
