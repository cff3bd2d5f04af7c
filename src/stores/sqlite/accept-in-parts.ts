import type { Revocation } from '../../revocation/revocation.ts'
import type { Signal } from '../../revocation/signal.ts'
import type { Accepted, RevocationStore } from '../../revocation/store.ts'
import type { sqliteChanges } from './changes.ts'

/** A transaction blocks the event loop, so it must stay small. */
const SIGNALS_PER_PART = 100

type Accept = RevocationStore['accept']

export interface AcceptInPartsOptions {
  changes: Pick<ReturnType<typeof sqliteChanges>, 'accept'>
  /** Commits `work` without a sync. */
  write: (work: () => Accepted) => Promise<Accepted>
  /** Commits `work` durably, together with everything that was committed before. */
  keep: (work: () => Accepted) => Promise<Accepted>
}

/**
 * Accepts the signals of a large request in several transactions. Only the last one is synced, and records the replay key
 * with the whole answer. Large requests run one after the other, so a repetition finds the key of the first request.
 */
export function acceptInParts({ changes, write, keep }: AcceptInPartsOptions): Accept {
  let previous: Promise<unknown> = Promise.resolve()

  const acceptAll: Accept = async (signals, replay, now, origin) => {
    const before: Revocation[] = []
    let isBraked = false
    for (const [index, part] of partsOf(signals).entries()) {
      const isLast = (index + 1) * SIGNALS_PER_PART >= signals.length
      const accepted = await (isLast ? keep : write)(() =>
        changes.accept(part, replay, now, origin, { before, isLast }),
      )
      if (accepted.replayed) return accepted
      before.push(...accepted.revocations)
      isBraked ||= accepted.isBraked === true
    }
    return { revocations: before, replayed: false, ...(isBraked ? { isBraked } : {}) }
  }

  return (signals, replay, now, origin) => {
    if (signals.length <= SIGNALS_PER_PART) return keep(() => changes.accept(signals, replay, now, origin))
    const accepted = previous.then(() => acceptAll(signals, replay, now, origin))
    previous = accepted.catch(() => {})
    return accepted
  }
}

function partsOf(signals: readonly Signal[]): Signal[][] {
  const count = Math.ceil(signals.length / SIGNALS_PER_PART)
  return Array.from({ length: count }, (_, part) =>
    signals.slice(part * SIGNALS_PER_PART, (part + 1) * SIGNALS_PER_PART),
  )
}
