/** Qlik Cloud's rate limit tiers. */
export type Tier = 1 | 2

interface Log {
  /** Times of the calls in the window from index `start` on, oldest first. */
  times: number[]
  start: number
  blockedUntil: number
}

/** Expired times stay in the array until there are this many, so that a call is cheap. */
const COMPACT_AT = 1_024

/** Key for the calls of all users together: no user id is empty. */
const EVERYONE = ''

/**
 * Counts calls per user and tier, and of all users together per tier, in a true sliding window.
 *
 * A call over the user's limit is rejected, and so is every later call of that user in that tier until the announced seconds
 * have passed. A call over the tenant's limit does the same for all users. Rejected calls are not counted.
 *
 * Source: https://qlik.dev/apis/rest/rate-limiting
 */
export class RateLimiter {
  readonly #logs = new Map<string, Log>()
  readonly #limits: Record<Tier, number>
  readonly #windowMs: number
  readonly #tenantShare: () => number

  /** @param tenantShare the tenant's current limit as a multiple of the user limit */
  constructor(limits: Record<Tier, number>, windowMs: number, tenantShare = () => Number.POSITIVE_INFINITY) {
    this.#limits = limits
    this.#windowMs = windowMs
    this.#tenantShare = tenantShare
  }

  /** Counts a call at `now` (ms). Returns 0 if it is accepted, otherwise the whole seconds to wait. */
  take(userId: string, tier: Tier, now: number): number {
    const limit = this.#limits[tier]
    const seconds = Math.max(
      this.#secondsToWait(this.#logOf(userId, tier), limit, now),
      this.#secondsToWait(this.#logOf(EVERYONE, tier), limit * this.#tenantShare(), now),
    )
    if (seconds === 0) this.charge(userId, tier, now, 1)
    return seconds
  }

  /** Counts calls at `now` (ms) without checking the limit. */
  charge(userId: string, tier: Tier, now: number, calls: number): void {
    for (const id of [userId, EVERYONE]) {
      const log = this.#logOf(id, tier)
      for (let count = 0; count < calls; count += 1) log.times.push(now)
    }
  }

  /** Rejects the user's calls of a tier from `now` (ms) for `seconds`, regardless of the count. */
  block(userId: string, tier: Tier, now: number, seconds: number): void {
    const log = this.#logOf(userId, tier)
    log.blockedUntil = Math.max(log.blockedUntil, now + seconds * 1000)
  }

  /** Lifts a block early. Counted calls still count. */
  lift(userId: string, tier: Tier): void {
    this.#logOf(userId, tier).blockedUntil = Number.NEGATIVE_INFINITY
  }

  #secondsToWait(log: Log, limit: number, now: number): number {
    if (now >= log.blockedUntil) {
      this.#forgetBefore(log, now - this.#windowMs)
      if (log.times.length - log.start < limit) return 0
      const freeAt = (log.times[log.start] ?? now) + this.#windowMs
      log.blockedUntil = now + Math.ceil((freeAt - now) / 1000) * 1000
    }
    return Math.ceil((log.blockedUntil - now) / 1000)
  }

  #logOf(userId: string, tier: Tier): Log {
    const key = `${tier}:${userId}`
    let log = this.#logs.get(key)
    if (log === undefined) {
      log = { times: [], start: 0, blockedUntil: Number.NEGATIVE_INFINITY }
      this.#logs.set(key, log)
    }
    return log
  }

  #forgetBefore(log: Log, limit: number): void {
    while (log.start < log.times.length && (log.times[log.start] ?? limit) <= limit) log.start += 1
    if (log.start < COMPACT_AT) return
    log.times = log.times.slice(log.start)
    log.start = 0
  }
}
