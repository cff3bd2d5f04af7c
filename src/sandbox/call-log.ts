import type { Tier } from './rate-limiter.ts'

/** Names of the tenant's endpoints in faults and in the call log. `unknown`: a path that the tenant does not serve. */
export const ROUTES = ['token', 'list', 'revoke', 'me', 'user', 'users', 'count', 'items', 'unknown'] as const
export type RouteName = (typeof ROUTES)[number]

export interface SandboxCall {
  /** Time of arrival by the `now` option, in ms since the epoch, without the tenant's skew. */
  at: number
  method: string
  route: RouteName
  /** Path with query. */
  path: string
  /** Status of the response; null until the response is complete. */
  status: number | null
  tier: Tier | null
  /** The user whose rate limit the call counts against; null while the caller is unknown. */
  userId: string | null
  /** The value of `qlik-api-version`; null if the header is missing. */
  apiVersion: string | null
  /** Kind of the ordered fault that was applied; null if none was. */
  fault: string | null
}

/** `answered` is also reported for a call that ended without a response; its status is then null. */
export type CallPhase = 'arrived' | 'answered'
export type CallListener = (phase: CallPhase, call: SandboxCall) => void
/** The response is sent when the returned promise has settled. */
export type AnswerHold = (call: SandboxCall) => unknown

/** Minimum number of calls to keep. The log is cut to it when it is twice as long. */
const KEPT = 50_000

/** Keeps the latest calls, and notifies listeners when a call arrives and when it ends. */
export class CallLog {
  /** Ended calls, oldest first. A test may clear it (`calls.length = 0`). */
  readonly calls: SandboxCall[] = []
  readonly #listeners = new Set<CallListener>()
  readonly #holds = new Set<AnswerHold>()

  arrived(call: SandboxCall): void {
    this.#notify('arrived', call)
  }

  /** Returns a function that unsubscribes. */
  subscribe(listener: CallListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /**
   * Calls `hold` for each processed call and delays the response until the returned promise has settled. Returns a function
   * that unsubscribes.
   *
   * @example every response arrives 8 s after its Date, by a fake clock
   * tenant.log.beforeAnswer(() => clock.advance(8_000))
   */
  beforeAnswer(hold: AnswerHold): () => void {
    this.#holds.add(hold)
    return () => void this.#holds.delete(hold)
  }

  /**
   * Runs an action at the n-th call of a route from now on: when the call arrives, so that it sees the effect, or before its
   * response is sent, when it has been processed and the caller is still waiting.
   *
   * @example a token that is issued while the second page is read, and appears on no page
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

  /** Waits for all holds of a processed call. */
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
