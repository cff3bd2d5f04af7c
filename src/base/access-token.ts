import { z } from 'zod'
import type { Clock } from './clock.ts'
import { elapsedMs, type Moment, momentOf } from './moment.ts'

/** A token is renewed in the background when less than this fraction of its lifetime is left. */
const RENEW_AHEAD = 0.1
/** A token with less than this left is not used, because the call itself takes time. */
const MARGIN_MS = 5_000
/** Minimum time between two early renewals. If one fails, the current token still works. */
const PAUSE_AFTER_RENEWAL_MS = 10_000

/** Used if the token endpoint does not report a lifetime. Qlik's tokens live 6 hours. */
const DEFAULT_LIFETIME_MS = 5 * 60_000
const LONGEST_LIFETIME_MS = 24 * 60 * 60_000
/** A token with a shorter lifetime would expire while its call waits. If it really has expired, a 401 shows it. */
const SHORTEST_LIFETIME_MS = 30_000

/** An access token in a response (RFC 6749, section 5.1), restricted to what a header can carry. */
export const AccessTokenText = z.string().regex(/^[\x21-\x7e]{1,16384}$/)

export interface AccessToken {
  value: string
  /** Counted from when the token is fetched, in ms. */
  lifetimeMs: number
}

/**
 * How long a token is used, in ms.
 * @param reported what the token endpoint reports, in ms; 5 minutes are assumed if it is not a positive number
 */
export function boundedLifetime(reported: number): number {
  if (!(reported > 0)) return DEFAULT_LIFETIME_MS
  return Math.min(Math.max(reported, SHORTEST_LIFETIME_MS), LONGEST_LIFETIME_MS)
}

interface Cached<T extends AccessToken> {
  token: T
  fetchedAt: Moment
}

/**
 * One access token, kept in memory and shared by all callers. Concurrent callers share one fetch, and the token is
 * renewed before it expires. A failure rejects all waiting callers and is never cached: the next call fetches again.
 */
export class AccessTokenCache<T extends AccessToken> {
  readonly #fetch: () => Promise<T>
  readonly #clock: Clock
  readonly #onRenewalFailure: (error: unknown) => void
  #cached: Cached<T> | null = null
  #fetching: Promise<T> | null = null
  #renewNotBefore = 0

  /** @param fetch sends one request to the token endpoint */
  constructor(
    fetch: () => Promise<T>,
    { clock, onRenewalFailure }: { clock: Clock; onRenewalFailure: (error: unknown) => void },
  ) {
    this.#fetch = fetch
    this.#clock = clock
    this.#onRenewalFailure = onRenewalFailure
  }

  /** Returns a usable access token. Rejects with the error of `fetch`. */
  async get(): Promise<T> {
    const current = this.current()
    if (current === null) return this.#fetchOnce()
    if (this.#left() < RENEW_AHEAD * this.#lifetime()) this.#renewAhead()
    return current
  }

  /** The cached access token, or null if none is usable. */
  current(): T | null {
    const margin = Math.min(MARGIN_MS, this.#lifetime() * RENEW_AHEAD)
    return this.#cached && this.#left() > margin ? this.#cached.token : null
  }

  /** Discards the token after the server rejected it, if `value` is still the current one. */
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
