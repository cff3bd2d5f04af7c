import type { Origin } from './origin.ts'
import type { Outcome, Revocation, Status, TokenCounts } from './revocation.ts'
import type { Signal } from './signal.ts'
import type { Accepted } from './store.ts'

/** What a run works on: revoking tokens, or the confirming listing. */
export type RunKind = 'revoke' | 'confirm'

/** How a run ended. */
export interface RunOutcome {
  status: Status
  outcome?: Outcome | null
  verified?: boolean
  tokens?: TokenCounts
  /** Code of the error, if it failed. */
  code?: string | undefined
}

/** Records the path of a revocation, from the signal to the proof, as one trace. */
export interface Tracing {
  /** Accepts signals. `work` gets them with the `traceparent` that their runs continue, null if they are not sampled. */
  accept(signals: Signal[], origin: Origin, work: (signals: Signal[]) => Promise<Accepted>): Promise<Accepted>

  /** Runs `work` in the trace of the signal that created the revocation, or in none if it was not sampled. */
  run(kind: RunKind, revocation: Revocation, work: () => Promise<void>): Promise<void>

  /** Records how the run ended that calls this. */
  noteOutcome(outcome: RunOutcome): void

  /** Runs `work` in no trace: it outlives the request that started it. */
  detached<T>(work: () => T): T
}

/** Records nothing. */
export const UNTRACED: Tracing = {
  accept: (signals, _origin, work) => work(signals),
  run: (_kind, _revocation, work) => work(),
  noteOutcome: () => {},
  detached: (work) => work(),
}
