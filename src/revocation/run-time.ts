import type { Clock } from '../base/clock.ts'
import type { QlikTenant } from './qlik-tenant.ts'
import type { Revocation } from './revocation.ts'
import { type GrantScope, grantScopeOf } from './scope.ts'
import type { Signal } from './signal.ts'
import {
  boundAtFirstClaim,
  type Clocks,
  confirmAfter,
  isPending,
  type SignalTime,
  signalTimeAt,
  tenantTimeOf,
  untilPast,
} from './signal-time.ts'
import type { StoreClock } from './store.ts'
import { signalTimeOf } from './transitions.ts'

export interface RunTimeOptions {
  clock: Clock
  tenant: Pick<QlikTenant, 'clockOffset'>
  storeClock: () => StoreClock | null
}

/** What is needed of a revocation, or of a signal that is none yet. */
export type TimedSignals = Pick<
  Revocation,
  'scope' | 'deviceType' | 'reason' | 'occurredAt' | 'signalTime' | 'signalTimeOf'
>

/**
 * The time of a revocation's signals during one attempt or listing. It is measured better as the tenant answers, so scope is
 * decided after the tokens are listed, not before.
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

  /** Which of a user's tokens the revocation is about, as far as the clocks are known now. */
  scope(isOwnUser: boolean): GrantScope {
    this.#measure()
    return grantScopeOf(this.#revocation, tenantTimeOf(this.#time), isOwnUser)
  }

  /** The tenant's clock now, at the latest; ms since the epoch. */
  tenantNow(): number {
    const { clock, tenant } = this.#options
    const offset = tenant.clockOffset()
    return offset ? clock.monotonic() + offset.latest : clock.now()
  }

  /**
   * How long after it began a listing would have had to begin to show every token in scope, in ms; 0 if it does, null where
   * the tenant's clock or the time of the signals is not known.
   * @param beganAt when it began, on the monotonic clock
   */
  missingMs(beganAt: number): number | null {
    this.#measure()
    if (isPending(this.#time)) return null
    const tenantOffset = this.#options.tenant.clockOffset()
    return untilPast(confirmAfter(tenantTimeOf(this.#time)), { steady: beganAt, tenantOffset })
  }

  /** What is known of it, to be stored. */
  get findings(): Pick<Revocation, 'signalTime' | 'signalTimeOf'> {
    return { signalTime: this.#time, signalTimeOf: this.#revocation.occurredAt }
  }

  #measure(): void {
    const { clock, tenant, storeClock } = this.#options
    const now = clocksOf(clock, tenant.clockOffset(), storeClock())
    // What nothing leads to was before the claim.
    const elapsed = now.steady - this.#claimedAt
    const atClaim = { ...now, steady: this.#claimedAt, wall: now.wall - elapsed }
    this.#time = boundAtFirstClaim(this.#time, this.#revocation.occurredAt, atClaim)
  }
}

/**
 * A signal with its instant in the tenant's time, as far as that can be said at its acceptance. An `occurredAt` that is ahead
 * of our clock counts as now in all other respects, lest a token granted at the next login be revoked.
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
  // The sender's clock may be ahead of ours. Both are equal where the sender sent no time.
  const sentTime = occurredAt === acceptedAt ? null : occurredAt
  const receivedAt = clocks.steady - Math.max(0, clocks.wall - acceptedAt)
  const signalTime = signalTimeAt({ occurredAt: sentTime, receivedAt }, clocks)
  return { ...signal, occurredAt: Math.min(occurredAt, acceptedAt), signalTime }
}

/** What this process knows of the clocks, at one moment. */
export function clocksOf(
  clock: Clock,
  tenantOffset: Clocks['tenantOffset'],
  store: StoreClock | null,
): Clocks {
  return { steady: clock.monotonic(), wall: clock.now(), tenantOffset, store }
}
