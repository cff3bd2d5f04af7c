import type { Route } from '../../src/qlik/http.ts'

/**
 * How a call can go wrong. `-after`: it takes effect all the same.
 * - `refused`: no connection comes about, so it does not arrive
 * - `reset`, `silence`: the connection breaks; no answer comes
 * - `garbage`: an answer in no documented form
 * - `lie`: the answer says that it took effect, and it did not
 * - `late`: the answer takes seconds
 * - `429-…`: the tier is blocked, said in seconds, by a date, not at all, or with a time that makes no sense
 */
export const FAULTS = [
  ...([
    'refused',
    'reset',
    'reset-after',
    'silence',
    'silence-after',
    'garbage',
    'garbage-after',
    'late',
  ] as const),
  ...(['500', '500-after', '503-retry-after', '401', '403', '400', 'lie'] as const),
  ...(['429-seconds', '429-date', '429-untold', '429-nonsense'] as const),
] as const
export type FaultKind = (typeof FAULTS)[number]

export interface Fault {
  route: Route | 'any'
  kind: FaultKind
  /** How many calls it concerns. */
  count: number
}

/** Faults that wait for their calls. */
export class Faults {
  #waiting: Fault[] = []

  order(fault: Fault): void {
    this.#waiting.push({ ...fault })
  }

  clear(): void {
    this.#waiting = []
  }

  /** What goes wrong with the next call of a route; null if nothing does. */
  take(route: Route): FaultKind | null {
    const fault = this.#waiting.find(({ route: of }) => of === route || of === 'any')
    if (!fault) return null
    fault.count -= 1
    if (fault.count <= 0) this.#waiting = this.#waiting.filter((one) => one !== fault)
    return fault.kind
  }
}
