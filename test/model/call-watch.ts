import type { Tier } from '../../src/qlik/budget/permit-log.ts'
import type { ModelCall, Network, NetworkObserver } from './network.ts'
import type { Timeline } from './timeline.ts'
import { Violation } from './violation.ts'

/** How long Curfew does not delete a token again that is still listed after it was revoked. */
const LISTING_LAG_MS = 60_000

interface DeleteState {
  inFlight: number
  /** When the process learned that it is gone; true time. */
  goneAt: number
}

export interface CallWatchOptions {
  timeline: Timeline
  network: () => Network
  /** Whether a process may legitimately have forgotten calls of the last window. */
  mayExceed: () => boolean
  onViolation: (violation: Violation) => void
}

/** Checks the calls of all processes: no limit is exceeded, waits are respected, and no token is deleted twice. */
export class CallWatch implements NetworkObserver {
  readonly #options: CallWatchOptions
  readonly #deletes = new WeakMap<object, Map<string, DeleteState>>()
  readonly #waits = new WeakMap<object, Map<Tier, { since: number; until: number }>>()
  /** Number of calls sent, by route. */
  readonly counts = new Map<string, number>()

  constructor(options: CallWatchOptions) {
    this.#options = options
  }

  onSent(call: ModelCall): void {
    const { tier, route } = call
    const { now } = this.#options.timeline
    this.counts.set(route, (this.counts.get(route) ?? 0) + 1)
    const wait = this.#waits.get(call.process)?.get(tier)
    if (wait && now > wait.since && now < wait.until)
      this.#report('a call was made while the tenant had asked to wait', { route, earlyMs: wait.until - now })
    const known = this.#deleteOf(call)
    if (!known) return
    const { tokenId } = call
    if (known.inFlight > 0) this.#report('a token was deleted twice at once', { tokenId })
    if (now - known.goneAt < LISTING_LAG_MS)
      this.#report('a token was deleted twice', { tokenId, afterMs: now - known.goneAt })
    known.inFlight += 1
  }

  onEnd(call: ModelCall, reply: Parameters<NetworkObserver['onEnd']>[1]): void {
    const { now } = this.#options.timeline
    const known = this.#deleteOf(call)
    if (known) known.inFlight -= 1
    if (known && reply && [200, 204, 404].includes(reply.status)) known.goneAt = now
    if (reply?.waitUntil === undefined) return
    const waits = this.#waits.get(call.process) ?? new Map()
    this.#waits.set(call.process, waits)
    waits.set(call.tier, { since: now, until: reply.waitUntil })
  }

  onExceeded({ tier, route }: ModelCall): void {
    const { timeline, network, mayExceed } = this.#options
    if (network().limiter.isShared(tier, timeline.now) || mayExceed()) return
    this.#report('the limit of a window was exceeded', { tier, route })
  }

  #deleteOf({ process, tokenId }: ModelCall): DeleteState | null {
    if (tokenId === null) return null
    const states = this.#deletes.get(process) ?? new Map<string, DeleteState>()
    this.#deletes.set(process, states)
    const state = states.get(tokenId) ?? { inFlight: 0, goneAt: Number.NEGATIVE_INFINITY }
    states.set(tokenId, state)
    return state
  }

  #report(guarantee: string, details: object): void {
    this.#options.onViolation(new Violation(guarantee, details))
  }
}
