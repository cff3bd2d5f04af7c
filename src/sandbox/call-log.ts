import type { Tier } from './rate-limiter.ts'

/** The tenant's endpoints, as faults and the call log name them. `unknown` is a path that it does not serve. */
export const ROUTES = ['token', 'list', 'revoke', 'me', 'user', 'users', 'items', 'unknown'] as const
export type RouteName = (typeof ROUTES)[number]

export interface SandboxCall {
  /** When it arrived, by the clock that was passed in (Unix ms, without the tenant's skew). */
  at: number
  method: string
  route: RouteName
  /** Path with its query. */
  path: string
  /** Status of the answer; null while there is none, and for good when none was given in full. */
  status: number | null
  tier: Tier | null
  /** Whose budget the call is counted against; null as long as, or when, the caller is not known. */
  userId: string | null
  /** The release of the API that the caller acknowledges (`qlik-api-version`), as it was sent; null without one. */
  apiVersion: string | null
  /** Kind of the ordered fault that was applied to it. */
  fault: string | null
}

/** `answered` also tells of a call that ended without an answer; its status is null then. */
export type CallPhase = 'arrived' | 'answered'
export type CallListener = (phase: CallPhase, call: SandboxCall) => void
/** The answer of a call leaves when what this returns has settled. */
export type AnswerHold = (call: SandboxCall) => unknown

/** How many calls are kept at least; the log is cut back to that when it is twice as long. */
const KEPT = 50_000

/** Remembers the latest calls, and notifies listeners of each as it arrives and as it ends. */
export class CallLog {
  /** Ended calls, oldest first. A test may empty it (`calls.length = 0`). */
  readonly calls: SandboxCall[] = []
  readonly #listeners = new Set<CallListener>()
  readonly #holds = new Set<AnswerHold>()

  arrived(call: SandboxCall): void {
    this.#notify('arrived', call)
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: CallListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /**
   * Calls `hold` for each call that has been processed; its answer leaves when what that returns has settled. Returns
   * the function that ends this.
   *
   * @example every answer arrives 8 s after its Date, by a fake clock
   * tenant.log.beforeAnswer(() => clock.advance(8_000))
   */
  beforeAnswer(hold: AnswerHold): () => void {
    this.#holds.add(hold)
    return () => void this.#holds.delete(hold)
  }

  /**
   * Does something at the n-th call of a route from now on: as it arrives, so that the call sees the effect; or before
   * its answer leaves, when the call has been processed and its caller still waits.
   *
   * @example a token that is issued while the second page is read, and is on no page
   * tenant.log.atCall('list', 2, () => tenant.issueTokens(user.id), 'before-answer')
   */
  atCall(
    route: RouteName,
    n: number,
    action: () => unknown,
    when: 'arrived' | 'before-answer' = 'arrived',
  ): void {
    let count = 0
    const look: AnswerHold = async (call) => {
      if (call.route !== route) return
      count += 1
      if (count < n) return
      stop()
      await action()
    }
    const stop =
      when === 'arrived'
        ? this.subscribe((phase, call) => void (phase === 'arrived' && look(call)))
        : this.beforeAnswer(look)
  }

  /** Waits for what holds the answer of a call that has done its work. */
  async leaving(call: SandboxCall): Promise<void> {
    for (const hold of this.#holds) await hold(call)
  }

  answered(call: SandboxCall): void {
    this.calls.push(call)
    if (this.calls.length >= 2 * KEPT) this.calls.splice(0, KEPT)
    this.#notify('answered', call)
  }

  #notify(phase: CallPhase, call: SandboxCall): void {
    for (const listener of this.#listeners) listener(phase, call)
  }
}
