import { z } from 'zod'

/**
 * What is known of an instant, or of how far one clock is ahead of another: not less than `earliest`, not more than
 * `latest`. In ms.
 */
export const Interval = z
  .object({ earliest: z.number(), latest: z.number() })
  .refine(({ earliest, latest }) => earliest <= latest, 'expected earliest not after latest')
export type Interval = z.infer<typeof Interval>

/** How much is not known, in ms. */
export function widthOf({ earliest, latest }: Interval): number {
  return latest - earliest
}

export function midpointOf({ earliest, latest }: Interval): number {
  return (earliest + latest) / 2
}

/** An instant on one clock, moved by what is known of the difference to another clock. */
export function shift(instant: Interval, by: Interval): Interval {
  return { earliest: instant.earliest + by.earliest, latest: instant.latest + by.latest }
}

/** By how much the first clock is ahead of the second, from how far each is ahead of a third. */
export function difference(first: Interval, second: Interval): Interval {
  return { earliest: first.earliest - second.latest, latest: first.latest - second.earliest }
}

/** The same, with `slack` ms less certainty on both sides. */
export function widen({ earliest, latest }: Interval, slack: number): Interval {
  return { earliest: earliest - slack, latest: latest + slack }
}

/** What both say of one instant, or null where they contradict each other. */
export function intersect(a: Interval, b: Interval): Interval | null {
  const earliest = Math.max(a.earliest, b.earliest)
  const latest = Math.min(a.latest, b.latest)
  return earliest <= latest ? { earliest, latest } : null
}

/** The smallest interval that holds both. */
export function hullOf(a: Interval, b: Interval): Interval {
  return { earliest: Math.min(a.earliest, b.earliest), latest: Math.max(a.latest, b.latest) }
}

/** What is known of the later one of two instants. */
export function laterOf(a: Interval, b: Interval): Interval {
  return { earliest: Math.max(a.earliest, b.earliest), latest: Math.max(a.latest, b.latest) }
}
