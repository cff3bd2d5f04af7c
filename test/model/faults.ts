import type { Route } from '../../src/qlik/http.ts'

/**
 * How a call can fail. `-after`: it takes effect anyway.
 * - `refused`: no connection is established, so the call does not arrive
 * - `reset`, `silence`: the connection breaks; no response arrives
 * - `garbage`: a response in an undocumented form
 * - `lie`: the response claims an effect that did not happen
 * - `late`: the response takes seconds
 * - `429-…`: the tier is blocked, for seconds, until a date, without a time, or with an absurd time
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
  /** Number of affected calls. */
  count: number
}

/** Pending faults. */
export class Faults {
  #waiting: Fault[] = []

  order(fault: Fault): void {
    this.#waiting.push({ ...fault })
  }

  clear(): void {
    this.#waiting = []
  }

  /** The fault of the next call of a route; null if there is none. */
  take(route: Route): FaultKind | null {
    const fault = this.#waiting.find(({ route: of }) => of === route || of === 'any')
    if (!fault) return null
    fault.count -= 1
    if (fault.count <= 0) this.#waiting = this.#waiting.filter((one) => one !== fault)
    return fault.kind
  }
}
