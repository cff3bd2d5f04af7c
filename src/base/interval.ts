import { z } from 'zod'

/**
 * Bounds, in ms, of an instant, or of how far one clock is ahead of another: at least `earliest`, at most `latest`.
 */
export const Interval = z
  .object({ earliest: z.number(), latest: z.number() })
  .refine(({ earliest, latest }) => earliest <= latest, 'expected earliest not after latest')
export type Interval = z.infer<typeof Interval>

/** The uncertainty, in ms. */
export function widthOf({ earliest, latest }: Interval): number {
  return latest - earliest
}

export function midpointOf({ earliest, latest }: Interval): number {
  return (earliest + latest) / 2
}

/** Converts an instant on one clock to another clock, given the offset between them. */
export function shift(instant: Interval, by: Interval): Interval {
  return { earliest: instant.earliest + by.earliest, latest: instant.latest + by.latest }
}

/** How far the first clock is ahead of the second, given how far each is ahead of a third. */
export function difference(first: Interval, second: Interval): Interval {
  return { earliest: first.earliest - second.latest, latest: first.latest - second.earliest }
}

/** Extends the interval by `slack` ms at both ends. */
export function widen({ earliest, latest }: Interval, slack: number): Interval {
  return { earliest: earliest - slack, latest: latest + slack }
}

/** The overlap of two intervals for one instant, or null if they contradict each other. */
export function intersect(a: Interval, b: Interval): Interval | null {
  const earliest = Math.max(a.earliest, b.earliest)
  const latest = Math.min(a.latest, b.latest)
  return earliest <= latest ? { earliest, latest } : null
}

/** The smallest interval that contains both. */
export function hullOf(a: Interval, b: Interval): Interval {
  return { earliest: Math.min(a.earliest, b.earliest), latest: Math.max(a.latest, b.latest) }
}

/** The bounds of the later of two instants. */
export function laterOf(a: Interval, b: Interval): Interval {
  return { earliest: Math.max(a.earliest, b.earliest), latest: Math.max(a.latest, b.latest) }
}
