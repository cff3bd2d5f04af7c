import { z } from 'zod'
import { DRIFT } from '../base/clock-offset.ts'
import { difference, hullOf, Interval, intersect, laterOf, shift, widen, widthOf } from '../base/interval.ts'
import { grantLimits, LEEWAY_MS } from './grant-limits.ts'

/**
 * A signal's instant if its time on the tenant's clock is unknown, or known too imprecisely. Joined signals share one
 * stamp. Times are on the store's clock unless noted otherwise, so any process that shares this clock can measure
 * them later.
 */
const Stamp = z.object({
  /** Which clock; see `Clocks`. */
  clock: z.string(),
  /** When the signal was received; the latest of joined signals. An upper bound of the instant. */
  received: z.number(),
  /** The instant if the sender's clock agrees with ours; the time of reception if the sender sent no time. */
  asOurs: Interval,
  /**
   * In the tenant's time: the instant if the sender's clock agrees with the tenant's. Null if the sender sent no
   * time.
   */
  asTenants: z.object({ earliest: z.number().nullable(), latest: z.number().nullable() }),
  /** In the tenant's time: the instant as measured so far; null before the first measurement. */
  measured: Interval.nullable(),
})
type Stamp = z.infer<typeof Stamp>

/**
 * When the session ended that a signal reports; for joined signals, the latest instant. Joined signals fall into
 * three parts: measured, not yet measured, and never measurable. The instant is the latest of all three, so what is
 * known of one signal stays known when another one joins. Stored with the revocation, as JSON.
 */
export const SignalTime = z.object({
  /**
   * In the tenant's time: the signals that are measured to within 5 s or cannot be measured again. Null if there are
   * none.
   */
  tenant: Interval.nullable(),
  /** The signals that can still be measured. */
  open: Stamp.nullable(),
  /** Whether there are signals whose time can never be measured. The first claim is their upper bound. */
  unlinked: z.boolean(),
})
export type SignalTime = z.infer<typeof SignalTime>

/** The time of a signal accepted by a version of Curfew that did not record it. */
export const UNLINKED: SignalTime = { tenant: null, open: null, unlinked: true }

/**
 * The time of a revocation's signals, even if a version without signal times accepted one of them.
 * @param revocation.signalTimeOf the `occurredAt` that `signalTime` covers
 */
export function signalTimeOf({
  signalTime,
  signalTimeOf,
  occurredAt,
}: {
  signalTime: SignalTime | null
  signalTimeOf: number | null
  occurredAt: number
}): SignalTime {
  const isCovered = signalTime !== null && signalTimeOf !== null && signalTimeOf >= occurredAt
  return isCovered ? signalTime : join(signalTime ?? UNLINKED, UNLINKED)
}

/** What one process knows of the clocks, at a single moment. */
export interface Clocks {
  /** `Clock.monotonic`. */
  steady: number
  /** `Clock.now`. */
  wall: number
  /** The tenant's clock minus the steady one (`ClockOffset`); null if unknown. */
  tenantOffset: Interval | null
  /**
   * The store's clock, and its offset from the steady one; null if unknown. On PostgreSQL it is the database's clock,
   * which all replicas share; on SQLite it is the steady clock itself, under its id.
   */
  store: { clock: string; offset: Interval } | null
}

/**
 * The time of a signal that was just received. `occurredAt` is on the sender's clock, about which nothing is known:
 * it may agree with our wall clock or with the tenant's clock. The earlier of the two readings is the earliest
 * instant, the later one the latest, and the reception of the signal is an upper bound of both. See the table in
 * docs/clocks.md.
 * @param occurredAt as the sender sent it, even if it is in the future, ms since the epoch; null if it sent none
 * @param receivedAt when the signal was received, on the steady clock
 */
export function signalTimeAt(
  { occurredAt, receivedAt }: { occurredAt: number | null; receivedAt: number },
  { steady, wall, tenantOffset, store }: Clocks,
): SignalTime {
  const onSteady = occurredAt === null ? receivedAt : Math.min(receivedAt, occurredAt - (wall - steady))
  const stamp = {
    received: receivedAt,
    asOurs: { earliest: onSteady, latest: onSteady },
    asTenants: { earliest: occurredAt, latest: occurredAt },
  }
  const measured = tenantOffset && inTenantsTime(stamp, tenantOffset)
  if (measured && (store === null || isNarrow(measured))) return settled(measured)
  if (store === null) return UNLINKED
  const { clock, offset } = store
  const received = Math.ceil(receivedAt + offset.latest)
  const asOurs = wholeMs(shift(stamp.asOurs, offset))
  return { tenant: null, open: { ...stamp, clock, received, asOurs, measured }, unlinked: false }
}

/**
 * The time of two signals, or groups of signals, that join into one revocation: the later one. Nothing known of
 * either is lost, regardless of the order in which they join.
 */
export function join(a: SignalTime, b: SignalTime): SignalTime {
  if (a.open && b.open && a.open.clock !== b.open.clock) return join(closed(a), b)
  const tenant = laterOfKnown(a.tenant, b.tenant)
  const unlinked = a.unlinked || b.unlinked
  if (a.open === null || b.open === null) return { tenant, open: a.open ?? b.open, unlinked }
  const isMeasured = a.open.measured !== null && b.open.measured !== null
  return {
    // The joined stamp is not measured, so keep here what is known of either.
    tenant: isMeasured ? tenant : laterOfKnown(tenant, a.open.measured ?? b.open.measured),
    open: joinStamps(a.open, b.open),
    unlinked,
  }
}

/**
 * Measures what is not measured yet, or too imprecisely, with what this process knows of the clocks. Returns the same
 * object if nothing changes: the tenant's clock is unknown, or the store has a different clock now.
 */
export function resolve(time: SignalTime, { steady, tenantOffset, store }: Clocks): SignalTime {
  const { open } = time
  if (open === null || tenantOffset === null || open.clock !== store?.clock) return time
  const age = Math.max(0, steady + store.offset.latest - open.received)
  const offset = widen(difference(tenantOffset, store.offset), age * DRIFT)
  const fresh = inTenantsTime(open, offset)
  // If they contradict each other, a clock was set in between, and either may be correct.
  const measured = open.measured ? (intersect(open.measured, fresh) ?? hullOf(open.measured, fresh)) : fresh
  if (isNarrow(measured)) return { ...time, tenant: laterOfKnown(time.tenant, measured), open: null }
  if (open.measured && widthOf(measured) === widthOf(open.measured)) return time
  return { ...time, open: { ...open, measured } }
}

/**
 * The time at the first claim by a process that knows the tenant's clock. Measures what it can (`resolve`). If the
 * process that accepted a signal ended before measuring it, and nothing links its clock to another one, the latest
 * instant is the tenant's time now. The earliest is the lower reading of `occurredAt`: as is, or by today's offset.
 * @param occurredAt of the revocation, on the wall clock of the process that accepted it
 */
export function boundAtFirstClaim(time: SignalTime, occurredAt: number, clocks: Clocks): SignalTime {
  const resolved = resolve(time, clocks)
  const { steady, wall, tenantOffset, store } = clocks
  if (tenantOffset === null || !isPending(resolved)) return resolved
  const isLost = resolved.open !== null && store !== null && resolved.open.clock !== store.clock
  const { tenant, open, unlinked } = isLost ? closed(resolved) : resolved
  if (!unlinked) return resolved
  const latest = steady + tenantOffset.latest
  const byOffset = occurredAt - wall + steady + tenantOffset.earliest
  const bound = wholeMs({ earliest: Math.min(occurredAt, byOffset, latest), latest })
  return { tenant: laterOfKnown(tenant, bound), open, unlinked: false }
}

/** Whether the tenant's time of a signal is unknown. */
export function isPending({ open, unlinked }: SignalTime): boolean {
  return unlinked || (open !== null && open.measured === null)
}

/** The instant in the tenant's time. The latest instant is infinite if the time `isPending`. */
export function tenantTimeOf(time: SignalTime): Interval {
  const known = laterOfKnown(time.tenant, time.open?.measured ?? null)
  const earliest = known?.earliest ?? Number.NEGATIVE_INFINITY
  return { earliest, latest: isPending(time) || !known ? Number.POSITIVE_INFINITY : known.latest }
}

/**
 * Whether every token that belongs or may belong to one signal certainly belongs to another one, and a listing late
 * enough for the latter is late enough for both. False if either time is unknown.
 */
export function covers(time: SignalTime, other: SignalTime): boolean {
  if (isPending(time) || isPending(other)) return false
  const [{ earliest, latest }, covered] = [tenantTimeOf(time), tenantTimeOf(other)]
  const isLater = earliest >= covered.earliest && latest >= covered.latest
  return isLater && covered.latest <= grantLimits({ earliest, latest }).certain
}

/** Time until the tenant's clock has certainly reached `instant`, in ms; 0 if it has, null if the clock is unknown. */
export function untilPast(
  instant: number,
  { steady, tenantOffset }: Pick<Clocks, 'steady' | 'tenantOffset'>,
): number | null {
  return tenantOffset && Math.max(0, instant - (steady + tenantOffset.earliest))
}

/** @param offset the tenant's clock minus the clock that the stamp's times are on */
function inTenantsTime(
  { received, asOurs, asTenants }: Pick<Stamp, 'received' | 'asOurs' | 'asTenants'>,
  offset: Interval,
): Interval {
  const ours = shift(asOurs, offset)
  const latest = Math.min(Math.max(ours.latest, asTenants.latest ?? ours.latest), received + offset.latest)
  const earliest = Math.min(ours.earliest, asTenants.earliest ?? ours.earliest, latest)
  return wholeMs({ earliest, latest })
}

/** Stamps on the same clock. */
function joinStamps(a: Stamp, b: Stamp): Stamp {
  // The earliest instant of either is a lower bound of the later one, but only with both readings of the same
  // sender's time.
  const { asOurs, asTenants } = a.asOurs.earliest > b.asOurs.earliest ? a : b
  const asTenantsLatest = [a.asTenants.latest, b.asTenants.latest].filter((at) => at !== null)
  return {
    clock: a.clock,
    received: Math.max(a.received, b.received),
    asOurs: { earliest: asOurs.earliest, latest: Math.max(a.asOurs.latest, b.asOurs.latest) },
    asTenants: {
      earliest: asTenants.earliest,
      latest: asTenantsLatest.length > 0 ? Math.max(...asTenantsLatest) : null,
    },
    measured: a.measured && b.measured && laterOf(a.measured, b.measured),
  }
}

/** The same time, with no open stamp. */
function closed({ tenant, open, unlinked }: SignalTime): SignalTime {
  const isUnlinked = unlinked || (open !== null && open.measured === null)
  return { tenant: laterOfKnown(tenant, open?.measured ?? null), open: null, unlinked: isUnlinked }
}

function settled(tenant: Interval): SignalTime {
  return { tenant, open: null, unlinked: false }
}

function laterOfKnown(a: Interval | null, b: Interval | null): Interval | null {
  return a && b ? laterOf(a, b) : (a ?? b)
}

function isNarrow(instant: Interval): boolean {
  return widthOf(instant) <= LEEWAY_MS
}

/** Rounded outwards, because fractions only take space in the store. */
function wholeMs({ earliest, latest }: Interval): Interval {
  return { earliest: Math.floor(earliest), latest: Math.ceil(latest) }
}
