import type { Interval } from '../base/interval.ts'

/** Tokens granted up to this long after the signal still belong to it, because clocks and callbacks lag. */
export const LEEWAY_MS = 5_000

/** Which tokens belong to a signal, by their grant time on the tenant's clock. */
export interface GrantLimits {
  /** Tokens granted up to this time belong to it. */
  certain: number
  /**
   * Tokens granted after `certain` and up to this time may belong to it; later ones do not. Null if none is
   * undecided.
   */
  undecidedUntil: number | null
}

/**
 * The tokens that belong to a signal: those granted up to `LEEWAY_MS` after the earliest instant at which the session
 * can have ended. That includes the latest instant, unless the instant is not known to within `LEEWAY_MS`: then
 * tokens granted in between are undecided.
 */
export function grantLimits({ earliest, latest }: Interval): GrantLimits {
  const certain = earliest + LEEWAY_MS
  return { certain, undecidedUntil: latest > certain ? latest : null }
}

/**
 * The tenant's time from which a listing contains every token that belongs to the signal, provided the list lags by
 * no more than the leeway: 5 s after the latest instant, and not before the whole second after the last time in
 * scope. Times in ids are whole seconds, rounded down.
 */
export function confirmAfter(instant: Interval): number {
  const { certain, undecidedUntil } = grantLimits(instant)
  const afterLastGrant = Math.floor((undecidedUntil ?? certain) / 1000) * 1000 + 1000
  return Math.max(afterLastGrant, instant.latest + LEEWAY_MS)
}
