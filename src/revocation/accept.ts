import type { Signal } from './signal.ts'
import type { Accepted, ReplayKey, RevocationStore } from './store.ts'

export interface AcceptOptions {
  store: Pick<RevocationStore, 'accept'>
  now: () => number
  /** Told after the signals are durable. */
  onAccepted: (signals: readonly Signal[], replayed: boolean) => void
}

export type Accept = (signals: Signal[], replay: ReplayKey | null) => Promise<Accepted>

/**
 * Makes signals durable: when the answer is there, they are on disk. Then, and not before, the worker hears of them.
 */
export function createAccept({ store, now, onAccepted }: AcceptOptions): Accept {
  return async (signals, replay) => {
    const accepted = await store.accept(signals, replay, now())
    onAccepted(signals, accepted.replayed)
    return accepted
  }
}
