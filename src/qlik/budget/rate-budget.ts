import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../base/clock.ts'
import type { CallOptions } from '../../revocation/qlik-tenant.ts'
import type { TierWait } from '../../revocation/retry-policy.ts'
import type { Allowance } from '../../revocation/survey-plan.ts'
import type { TenantConfig } from '../tenant-config.ts'
import type { Ledger, LedgerLimits } from './ledger.ts'
import { MINUTES, perMinute } from './minute-limit.ts'
import { TIERS, type Tier } from './permit-log.ts'
import { RecentCalls, type RecentCounts } from './recent-calls.ts'
import { type Permit, TierGate, type Waiter } from './tier-gate.ts'

/** Limits of a budget: calls per window in each tier, the call timeout, and concurrent revoking calls. */
export interface BudgetLimits
  extends Pick<TenantConfig, 'tier1Limit' | 'tier2Limit' | 'windowMs' | 'timeoutMs' | 'concurrency'> {
  /** Tiers whose limit Qlik evaluates for each minute instead of the window. */
  byMinute?: readonly Tier[]
}

/** A new block. Times in ms since the epoch. */
export interface NewBlock {
  tier: Tier
  until: number
  /** How long Qlik asked to wait, in ms; null if unspecified. */
  askedMs: number | null
  /** How long the tier waits, in ms. */
  ms: number
  /** Whether the window had room, so that Qlik refused a call that the limits allow. */
  hadRoom: boolean
  /** Whether Qlik had accepted a call since the last block. If not, it refused the probe: the block continues. */
  hadRecovered: boolean
}

export interface RateBudgetOptions {
  limits: BudgetLimits
  openLedger: (tier: Tier, limits: LedgerLimits) => Ledger
  clock: Clock
  /** Called once per block, even if several calls are refused at the same time. */
  onBlock: (block: NewBlock) => void
}

/**
 * The calls that may be made to one tenant with one OAuth client, in both tiers
 * (https://qlik.dev/apis/rest/rate-limiting). Every call, including those to the token endpoint, requires a permit,
 * which is stored before the call is made, so that a restart remembers the last window.
 */
export class RateBudget {
  readonly #options: Pick<RateBudgetOptions, 'clock' | 'onBlock'>
  readonly #ledgers: Record<Tier, Ledger>
  readonly #gates: Record<Tier, TierGate>
  #recent: Record<Tier, RecentCalls>
  #limits: BudgetLimits
  #restoring: Promise<void> | null = null
  /** Timers of abandoned calls. */
  readonly #timers = new Set<() => void>()

  constructor({ limits, openLedger, ...options }: RateBudgetOptions) {
    this.#options = options
    this.#limits = limitsIn(limits)
    this.#recent = recentCalls(limits)
    this.#ledgers = { 1: openLedger(1, limitsOf(1, limits)), 2: openLedger(2, limitsOf(2, limits)) }
    const gate = (tier: Tier) =>
      new TierGate(
        this.#ledgers[tier],
        concurrencyOf(tier, limits),
        (end) => this.#atTimeout(end),
        () => this.#noteCall(tier),
      )
    this.#gates = { 1: gate(1), 2: gate(2) }
  }

  get windowMs(): number {
    return this.#limits.windowMs
  }

  /**
   * Applies new limits, also to waiting calls. Earlier calls and calls under way still count, so a lower limit leaves
   * no room until enough of them have left the window.
   */
  change(changed: BudgetLimits): void {
    const limits = limitsIn(changed)
    if (isDeepStrictEqual(limits, this.#limits)) return
    if (limits.windowMs !== this.#limits.windowMs) this.#recent = recentCalls(limits)
    this.#limits = limits
    for (const tier of TIERS) {
      this.#ledgers[tier].change(limitsOf(tier, limits))
      this.#gates[tier].change(concurrencyOf(tier, limits))
    }
  }

  /**
   * Reads what earlier processes drew, once, even if called repeatedly. Must be awaited before the first draw. After
   * a failure, the next call tries again.
   */
  restore(): Promise<void> {
    this.#restoring ??= this.#readBack().catch((error) => {
      this.#restoring = null
      throw error
    })
    return this.#restoring
  }

  async #readBack(): Promise<void> {
    await Promise.all([this.#ledgers[1].restore(), this.#ledgers[2].restore()])
  }

  /** Waits until a call of this tier may be made. Rejects with the signal's reason if that aborts first. */
  async draw(tier: Tier, options: CallOptions): Promise<Permit> {
    const permit = await this.#gates[tier].draw(options)
    await this.#ledgers[tier].noted()
    return permit
  }

  /**
   * Like `draw`, for a call that waits at several budgets. After its permit is granted, it must await `noted` before it starts.
   * The returned function withdraws the call.
   */
  enter(tier: Tier, waiter: Waiter): () => void {
    return this.#gates[tier].enter(waiter)
  }

  /** Resolves when the record of the call just started survives this process. */
  noted(tier: Tier): Promise<void> {
    return this.#ledgers[tier].noted()
  }

  /**
   * Qlik has requested a wait: no call of this tier starts for `ms`; then one call goes before all others. The other
   * tier is unaffected.
   */
  async block(tier: Tier, { ms, askedMs }: TierWait): Promise<void> {
    const ledger = this.#ledgers[tier]
    const isNew = ledger.blockedUntil() === null
    const hadRoom = ledger.usedUpUntil() === null
    const hadRecovered = ledger.hasRecovered()
    const blocking = ledger.block(ms)
    const until = this.blockedUntil(tier)
    if (isNew && until !== null) this.#options.onBlock({ tier, until, askedMs, ms, hadRoom, hadRecovered })
    await blocking
  }

  /** End of Qlik's block of a tier, as far as this process knows; ms since the epoch, null if it is not blocked. */
  blockedUntil(tier: Tier): number | null {
    const until = this.#ledgers[tier].blockedUntil()
    return until === null ? null : this.#wallTime(until)
  }

  /** When the next call could start if the window has no room; ms since the epoch, null if there is room. */
  usedUpUntil(tier: Tier): number | null {
    const until = this.#ledgers[tier].usedUpUntil()
    return until === null ? null : this.#wallTime(until)
  }

  /** What the limits allow in a window, and what they leave now. */
  allowance(): Allowance {
    const { tier1Limit: readsPerWindow, tier2Limit: permitsPerWindow } = this.#limits
    return { permitsPerWindow, permits: this.remaining(2), readsPerWindow, reads: this.remaining(1) }
  }

  /** Number of calls of this tier that could start now. */
  remaining(tier: Tier): number {
    return this.#ledgers[tier].remaining()
  }

  /** The limit of a tier, and the window in which it counts. */
  limitOf(tier: Tier): Pick<LedgerLimits, 'limit' | 'windowMs'> {
    const { limit, windowMs } = limitsOf(tier, this.#limits)
    return { limit, windowMs }
  }

  /** See `Ledger.observe`. */
  observe(tier: Tier, remaining: number, readAt: number): void {
    this.#ledgers[tier].observe(remaining, readAt)
  }

  /** Earliest time at which `calls` more calls of this tier could all have started; ms since the epoch. */
  estimate(tier: Tier, calls: number): number {
    return this.#wallTime(this.#ledgers[tier].freeAt(calls))
  }

  /** The calls of the last minute; without those of other processes. */
  recent(tier: Tier): RecentCounts {
    return this.#recent[tier].counts(this.#options.clock.monotonic())
  }

  /** Start of the latest call that Qlik accepted, in monotonic ms; without those of other processes. */
  lastAcceptedStart(tier: Tier): number {
    return this.#recent[tier].lastAcceptedStart
  }

  #noteCall(tier: Tier): () => void {
    const { clock } = this.#options
    const recent = this.#recent[tier]
    const call = recent.begin(clock.monotonic())
    return () => recent.accept(call, clock.monotonic())
  }

  #atTimeout(end: () => void): void {
    const cancel = this.#options.clock.after(this.#limits.timeoutMs, () => {
      this.#timers.delete(cancel)
      end()
    })
    this.#timers.add(cancel)
  }

  /** Returns unused permits. Abandoned calls count as under way. */
  async close(): Promise<void> {
    for (const cancel of this.#timers) cancel()
    await Promise.all([this.#ledgers[1].close(), this.#ledgers[2].close()])
  }

  #wallTime(monotonic: number): number {
    const { clock } = this.#options
    return Math.ceil(clock.now() + Math.max(0, monotonic - clock.monotonic()))
  }
}

function limitsIn(limits: BudgetLimits): BudgetLimits {
  const { tier1Limit, tier2Limit, windowMs, timeoutMs, concurrency, byMinute = [] } = limits
  return { tier1Limit, tier2Limit, windowMs, timeoutMs, concurrency, byMinute }
}

function recentCalls({ windowMs }: BudgetLimits): Record<Tier, RecentCalls> {
  return { 1: new RecentCalls(windowMs / MINUTES), 2: new RecentCalls(windowMs / MINUTES) }
}

function limitsOf(tier: Tier, limits: BudgetLimits): LedgerLimits {
  const { tier1Limit, tier2Limit, windowMs, timeoutMs, byMinute = [] } = limits
  const window = { limit: tier === 1 ? tier1Limit : tier2Limit, windowMs }
  return { ...(byMinute.includes(tier) ? perMinute(window) : window), timeoutMs }
}

/** Each revocation makes few reads; the number of concurrent runs limits them. */
function concurrencyOf(tier: Tier, { concurrency }: BudgetLimits): number {
  return tier === 1 ? Number.POSITIVE_INFINITY : concurrency
}
