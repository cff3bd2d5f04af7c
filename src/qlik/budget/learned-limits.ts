import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { lowered, raised } from './learned-limit.ts'
import type { LearnedLimit, Permits, Tier } from './permit-log.ts'
import { EVIDENCE_FOR_MS } from './recent-calls.ts'

/** Refusals within this time after a limit was learned, by any process, belong to the same event. */
const SAME_EVENT_MS = 10_000
/** Other processes may learn a limit. */
const READ_INTERVAL_MS = 2_000
/** How often a limit that may have been raised is applied again, at most. */
const APPLY_INTERVAL_MS = 10_000

/** What a limit applies to: all clients of the tenant at this address. */
export interface LimitedTier {
  origin: string
  tier: Tier
}

/** A learned limit in this process. Times are monotonic ms. */
interface Known {
  calls: number
  learnedAt: number
  /** End of the wait that the refusal requested. Refusals before then belong to the same event. */
  sameEventUntil: number
  /** Start of the first call accepted afterwards; null before that: refusals alone do not show a higher limit. */
  risesFrom: number | null
}

/** The configured limits: the window, and the sum of the clients' limits. */
export interface Ceiling {
  windowMs: number
  ceiling: number
}

export interface LearnedLimitsOptions {
  permits: Permits
  clock: Clock
  log: Log
  /** Start of the latest call of any client of the tenant, in this tier, that Qlik accepted; monotonic ms. */
  lastAcceptedStart: (of: LimitedTier) => number
  /** Called when a limit of a tenant, or any, may have changed. */
  onChange: (origin?: string) => void
}

/** The learned limits of all tenants. Stored, and shared by all processes with the same store. */
export class LearnedLimits {
  readonly #options: LearnedLimitsOptions
  readonly #known = new Map<string, Known>()
  #isRead = false
  #cancelRead = () => {}
  #cancelApply: (() => void) | null = null
  #isStopped = false

  constructor(options: LearnedLimitsOptions) {
    this.#options = options
  }

  /** Reads the stored limits; then periodically, if other processes may learn some. A failed read is repeated. */
  async start(): Promise<void> {
    const { permits, clock, log } = this.#options
    try {
      for (const limit of (await permits.learnedLimits?.()) ?? []) this.#note(limit)
      this.#isRead = true
    } catch (error) {
      log.warn({ err: error }, 'could not read the learned rate limits; retrying')
    }
    if (this.#isStopped || (this.#isRead && !('exchange' in permits))) return
    this.#cancelRead = clock.after(READ_INTERVAL_MS, () => this.start())
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelRead()
    this.#cancelApply?.()
  }

  /** Calls per window of all clients together; null if no limit is learned. */
  limit(of: LimitedTier, { windowMs, ceiling }: Ceiling): number | null {
    const known = this.#known.get(keyOf(of))
    if (!known) return null
    known.risesFrom ??= this.#acceptedSince(known.learnedAt, of)
    const risingMs = known.risesFrom === null ? 0 : this.#options.clock.monotonic() - known.risesFrom
    const limit = raised({ calls: known.calls, risingMs }, { windowMs, ceiling })
    if (limit !== null) this.#applyLater(windowMs)
    return limit
  }

  /**
   * Whether Qlik evaluates the limit for each minute. That is assumed for a day after one refusal, which costs little: the
   * mean rate is the same.
   */
  isByMinute(of: LimitedTier): boolean {
    const known = this.#known.get(keyOf(of, 'minute'))
    if (!known || this.#options.clock.monotonic() - known.learnedAt >= EVIDENCE_FOR_MS) return false
    // At its end, the limits of the window are in force again.
    this.#applyLater(APPLY_INTERVAL_MS)
    return true
  }

  /** From now on, the limit of each client is `calls` per minute. */
  limitByMinute(of: LimitedTier, calls: number, waitMs: number): void {
    this.#learn(of, 'minute', calls, waitMs)
  }

  /**
   * Whether a refusal that the limits do not explain is evidence for another limit. Until Qlik has accepted a call since the
   * limit was learned, a refusal shows only that the block continues.
   */
  isNewEvent(of: LimitedTier, lastAcceptedStart: number): boolean {
    const now = this.#options.clock.monotonic()
    return PERIODS.every((per) => {
      const known = this.#known.get(keyOf(of, per))
      return !known || (now >= known.sameEventUntil && lastAcceptedStart > known.learnedAt)
    })
  }

  /** Lowers the limit after a new event, for which Qlik requested a wait of `waitMs`. Returns the new limit. */
  lower(of: LimitedTier, limits: Ceiling, waitMs: number): number {
    const calls = lowered(this.limit(of, limits) ?? limits.ceiling)
    this.#learn(of, 'window', calls, waitMs)
    return calls
  }

  #learn(of: LimitedTier, per: Period, calls: number, waitMs: number): void {
    const { permits, clock, log } = this.#options
    const learnedAt = clock.monotonic()
    const sameEventUntil = learnedAt + Math.max(waitMs, SAME_EVENT_MS)
    this.#known.set(keyOf(of, per), { calls, learnedAt, sameEventUntil, risesFrom: null })
    permits.learnLimit?.({ ...of, per, calls }).catch((error: unknown) => {
      log.warn({ err: error }, 'could not store a learned rate limit')
    })
    this.#changed(of.origin)
  }

  /** Notes a stored limit, unless this process knows it or a later one. */
  #note({ calls, ageMs, per, ...of }: LearnedLimit): void {
    const learnedAt = this.#options.clock.monotonic() - ageMs
    const key = keyOf(of, per)
    const known = this.#known.get(key)
    // The time of a write and of a read make the same limit appear later.
    const isSame = known?.calls === calls && learnedAt < known.learnedAt + SAME_EVENT_MS
    if (known && (isSame || known.learnedAt >= learnedAt)) return
    // It is unknown whether Qlik accepted calls before this process started.
    const risesFrom = this.#isRead ? null : learnedAt
    this.#known.set(key, { calls, learnedAt, sameEventUntil: learnedAt + SAME_EVENT_MS, risesFrom })
    this.#changed(of.origin)
  }

  /** Limits are applied at least every 10 s, so the latest accepted call is soon noticed. */
  #acceptedSince(learnedAt: number, of: LimitedTier): number | null {
    const startedAt = this.#options.lastAcceptedStart(of)
    return startedAt > learnedAt ? startedAt : null
  }

  #changed(origin?: string): void {
    if (!this.#isStopped) this.#options.onChange(origin)
  }

  #applyLater(windowMs: number): void {
    if (this.#isStopped) return
    this.#cancelApply ??= this.#options.clock.after(Math.min(windowMs, APPLY_INTERVAL_MS), () => {
      this.#cancelApply = null
      this.#changed()
    })
  }
}

const PERIODS = ['window', 'minute'] as const satisfies readonly LearnedLimit['per'][]
type Period = (typeof PERIODS)[number]

function keyOf({ origin, tier }: LimitedTier, per: Period = 'window'): string {
  return `${per} ${tier} ${origin}`
}
