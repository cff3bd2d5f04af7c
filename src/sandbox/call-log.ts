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
  /** Kind of the ordered fault that was applied to it. */
  fault: string | null
}

/** `answered` also tells of a call that ended without an answer; its status is null then. */
export type CallPhase = 'arrived' | 'answered'
export type CallListener = (phase: CallPhase, call: SandboxCall) => void

/** So many calls are kept at the least; the log is cut back to that when it is twice as long. */
const KEPT = 50_000

/** Remembers the latest calls, and tells listeners of each as it arrives and as it ends. */
export class CallLog {
  /** Ended calls, oldest first. A test may empty it (`calls.length = 0`). */
  readonly calls: SandboxCall[] = []
  readonly #listeners = new Set<CallListener>()

  arrived(call: SandboxCall): void {
    this.#tell('arrived', call)
  }

  answered(call: SandboxCall): void {
    this.calls.push(call)
    if (this.calls.length >= 2 * KEPT) this.calls.splice(0, KEPT)
    this.#tell('answered', call)
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: CallListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #tell(phase: CallPhase, call: SandboxCall): void {
    for (const listener of this.#listeners) listener(phase, call)
  }
}
