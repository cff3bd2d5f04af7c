import type { Tier } from '../../src/qlik/budget/permit-log.ts'

interface Arrival {
  at: number
  /** Whether another program with the same client made the call. */
  byOthers: boolean
}

/** Counts calls as Qlik does: in a sliding window, per tier. Over the limit, the tier is blocked for whole seconds. */
export class Limiter {
  readonly #limits: Record<Tier, number>
  readonly #windowMs: number
  readonly #arrivals: Record<Tier, Arrival[]> = { 1: [], 2: [] }
  readonly #blockedUntil: Record<Tier, number> = { 1: 0, 2: 0 }

  constructor(limits: Record<Tier, number>, windowMs: number) {
    this.#limits = limits
    this.#windowMs = windowMs
  }

  /**
   * Counts a call at `now`.
   * @returns how long it is refused, in ms, 0 if it passes; and whether it exceeded the limit of a tier that was not
   * blocked
   */
  take(tier: Tier, now: number, byOthers: boolean): { waitMs: number; isExceeded: boolean } {
    if (now < this.#blockedUntil[tier]) return { waitMs: this.#blockedUntil[tier] - now, isExceeded: false }
    const recent = this.#recent(tier, now)
    const [oldest] = recent
    if (oldest && recent.length >= this.#limits[tier]) {
      const waitMs = Math.ceil((oldest.at + this.#windowMs - now) / 1000) * 1000
      this.block(tier, now + waitMs)
      return { waitMs, isExceeded: true }
    }
    recent.push({ at: now, byOthers })
    return { waitMs: 0, isExceeded: false }
  }

  /** Refuses all calls of a tier until then. */
  block(tier: Tier, until: number): void {
    this.#blockedUntil[tier] = Math.max(this.#blockedUntil[tier], until)
  }

  /** Whether another program made any of the calls in the window. */
  isShared(tier: Tier, now: number): boolean {
    return this.#recent(tier, now).some(({ byOthers }) => byOthers)
  }

  #recent(tier: Tier, now: number): Arrival[] {
    const arrivals = this.#arrivals[tier]
    while (arrivals[0] && arrivals[0].at <= now - this.#windowMs) arrivals.shift()
    return arrivals
  }
}
