/** Qlik Cloud's rate limit tiers. */
export type Tier = 1 | 2

interface Log {
  /** Times of the calls in the window, oldest first, from `start` on. */
  times: number[]
  start: number
  blockedUntil: number
}

/** Dropped times stay in the array until there are this many, so that taking one is cheap. */
const COMPACT_AT = 1_024

/**
 * Counts calls per user and tier in a true sliding window.
 *
 * A call over the limit is refused, and from then on every call of that user in that tier, until the
 * announced seconds have passed. Refused calls are not counted.
 *
 * Source: https://qlik.dev/apis/rest/rate-limiting
 */
export class RateLimiter {
  readonly #logs = new Map<string, Log>()
  readonly #limits: Record<Tier, number>
  readonly #windowMs: number

  constructor(limits: Record<Tier, number>, windowMs: number) {
    this.#limits = limits
    this.#windowMs = windowMs
  }

  /** Counts a call at `now` (ms). Returns 0 when it may pass, else the whole seconds to wait. */
  take(userId: string, tier: Tier, now: number): number {
    const log = this.#logOf(userId, tier)
    if (now >= log.blockedUntil) {
      this.#forgetBefore(log, now - this.#windowMs)
      if (log.times.length - log.start < this.#limits[tier]) {
        log.times.push(now)
        return 0
      }
      const freeAt = (log.times[log.start] ?? now) + this.#windowMs
      log.blockedUntil = now + Math.ceil((freeAt - now) / 1000) * 1000
    }
    return Math.ceil((log.blockedUntil - now) / 1000)
  }

  /** Refuses the user's calls of a tier from `now` (ms) for so many seconds, whatever was counted. */
  block(userId: string, tier: Tier, now: number, seconds: number): void {
    const log = this.#logOf(userId, tier)
    log.blockedUntil = Math.max(log.blockedUntil, now + seconds * 1000)
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
