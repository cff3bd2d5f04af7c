import type { Clock } from '../base/clock.ts'
import { widen } from '../base/interval.ts'
import { type Moment, momentOf } from '../base/moment.ts'
import { divergenceSince, LARGEST_DIVERGENCE_MS } from '../base/steady-clock.ts'
import { confirmAfter } from './grant-limits.ts'
import type { QlikTenant } from './qlik-tenant.ts'
import type { Revocation } from './revocation.ts'
import { type GrantScope, grantScopeOf } from './scope.ts'
import type { Signal } from './signal.ts'
import {
  boundAtFirstClaim,
  type Clocks,
  isPending,
  type SignalTime,
  signalTimeAt,
  signalTimeOf,
  tenantTimeOf,
  untilPast,
} from './signal-time.ts'
import type { StoreClock } from './store.ts'

export interface RunTimeOptions {
  clock: Clock
  tenant: Pick<QlikTenant, 'clockOffset'>
  storeClock: () => StoreClock | null
}

/** The required members of a revocation, or of a signal that is not stored yet. */
export type TimedSignals = Pick<
  Revocation,
  'scope' | 'deviceType' | 'reason' | 'occurredAt' | 'signalTime' | 'signalTimeOf'
>

/**
 * The time of a revocation's signals during one attempt or listing. Each response from the tenant improves the
 * measurement, so the scope is decided after the tokens are listed, not before.
 */
export class RunTime {
  readonly #options: RunTimeOptions
  readonly #revocation: TimedSignals
  readonly #claimedAt: number
  #time: SignalTime

  constructor(revocation: TimedSignals, options: RunTimeOptions) {
    this.#options = options
    this.#revocation = revocation
    this.#claimedAt = options.clock.monotonic()
    this.#time = signalTimeOf(revocation)
  }

  /** The tokens of a user that the revocation covers, as far as the clocks are known now. */
  scope(isOwnUser: boolean): GrantScope {
    this.#measure()
    return grantScopeOf(this.#revocation, tenantTimeOf(this.#time), isOwnUser)
  }

  /** Upper bound of the tenant's clock now; ms since the epoch. */
  tenantNow(): number {
    const { clock, tenant } = this.#options
    const offset = tenant.clockOffset()
    return offset ? clock.monotonic() + offset.latest : clock.now()
  }

  /**
   * How much later a listing would have had to begin to show every token in scope, in ms; 0 if it began late enough,
   * null if the tenant's clock or the time of the signals is unknown, or if the machine has slept since it began.
   */
  missingMs(beganAt: Moment): number | null {
    const { clock, tenant } = this.#options
    this.#measure()
    const offset = tenant.clockOffset()
    if (isPending(this.#time) || offset === null || this.hasSleptSince(beganAt)) return null
    // The offset of now, for a moment before.
    const tenantOffset = widen(offset, divergenceSince(beganAt, clock))
    return untilPast(confirmAfter(tenantTimeOf(this.#time)), { steady: beganAt.monotonic, tenantOffset })
  }

  /** Whether the machine has slept, or the clock was set, so that the offset of now does not apply to that moment. */
  hasSleptSince(moment: Moment): boolean {
    return divergenceSince(moment, this.#options.clock) > LARGEST_DIVERGENCE_MS
  }

  /** `missingMs` of a listing that would begin now. */
  missingNowMs(): number | null {
    return this.missingMs(momentOf(this.#options.clock))
  }

  /** The measured time, to be stored. */
  get findings(): Pick<Revocation, 'signalTime' | 'signalTimeOf'> {
    return { signalTime: this.#time, signalTimeOf: this.#revocation.occurredAt }
  }

  #measure(): void {
    const { clock, tenant, storeClock } = this.#options
    const now = clocksOf(clock, tenant.clockOffset(), storeClock())
    // A signal that cannot be measured occurred before the claim.
    const elapsed = now.steady - this.#claimedAt
    const atClaim = { ...now, steady: this.#claimedAt, wall: now.wall - elapsed }
    this.#time = boundAtFirstClaim(this.#time, this.#revocation.occurredAt, atClaim)
  }
}

/**
 * Adds the signal's instant in the tenant's time, as far as it is known at acceptance. An `occurredAt` ahead of our
 * clock counts as now in all other respects; otherwise a token granted at the next login would be revoked.
 */
export function stamped(
  signal: Signal,
  {
    clock,
    tenant,
    storeClock,
  }: Omit<RunTimeOptions, 'tenant'> & { tenant: RunTimeOptions['tenant'] | undefined },
): Signal {
  const clocks = clocksOf(clock, tenant?.clockOffset() ?? null, storeClock())
  const { occurredAt, acceptedAt } = signal
  // The sender's clock may be ahead of ours. The two are equal if the sender sent no time.
  const sentTime = occurredAt === acceptedAt ? null : occurredAt
  const receivedAt = clocks.steady - Math.max(0, clocks.wall - acceptedAt)
  const signalTime = signalTimeAt({ occurredAt: sentTime, receivedAt }, clocks)
  return { ...signal, occurredAt: Math.min(occurredAt, acceptedAt), signalTime }
}

/** What this process knows of the clocks, at a single moment. */
export function clocksOf(
  clock: Clock,
  tenantOffset: Clocks['tenantOffset'],
  store: StoreClock | null,
): Clocks {
  return { steady: clock.monotonic(), wall: clock.now(), tenantOffset, store }
}
