import type { CountRefusal } from './refusals.ts'

/** The body of a request that is not authenticated. */
export interface HeldBody {
  bytes: number
  isComplete: boolean
  /** Stops receiving it. */
  drop: () => void
}

/** Limits the memory for bodies of requests that are not authenticated. */
export class BodyMemory {
  readonly #limitBytes: number
  readonly #refused: CountRefusal
  readonly #held = new Set<HeldBody>()
  #total = 0

  constructor(limitBytes: number, refused: CountRefusal) {
    this.#limitBytes = limitBytes
    this.#refused = refused
  }

  get totalBytes(): number {
    return this.#total
  }

  hold(drop: () => void): HeldBody {
    const body = { bytes: 0, isComplete: false, drop }
    this.#held.add(body)
    return body
  }

  /**
   * Adds memory to a body that is held. If there is none left, drops the body chosen by `toDrop`, which may be this one.
   */
  add(body: HeldBody, bytes: number): void {
    body.bytes += bytes
    this.#total += bytes
    while (this.#total > this.#limitBytes) {
      const dropped = toDrop(this.#held)
      if (!dropped) return
      this.release(dropped)
      this.#refused('body-memory')
      dropped.drop()
    }
  }

  release(body: HeldBody): void {
    if (this.#held.delete(body)) this.#total -= body.bytes
  }
}

/** The largest unfinished body: signals are small and arrive at once, so an attack loses its bodies first. */
export function toDrop(bodies: Iterable<HeldBody>): HeldBody | null {
  let largest: HeldBody | null = null
  for (const body of bodies) if (!body.isComplete && body.bytes > (largest?.bytes ?? -1)) largest = body
  return largest
}
