import type { Accepted, RevocationStore } from '../../revocation/store.ts'
import type { sqliteChanges } from './changes.ts'

/** A transaction blocks the event loop, so it must stay small. */
const SIGNALS_PER_PART = 100

type Accept = RevocationStore['accept']

export interface AcceptInPartsOptions {
  changes: Pick<ReturnType<typeof sqliteChanges>, 'accept' | 'answerTo'>
  read: <T>(work: () => T) => Promise<T>
  /** Commits `work` without a sync. */
  write: (work: () => Accepted) => Promise<Accepted>
  /** Commits `work` durably, together with everything that was committed before. */
  keep: (work: () => Accepted) => Promise<Accepted>
  /** Called if some signals of a request were accepted before it failed. */
  onAcceptedInPart: () => void
}

/**
 * Accepts the signals of a large request in several transactions, of which only the last is synced. Each records the
 * answer so far with the replay key. If the request fails or the process ends, a repetition continues after the last
 * committed part: the revocations of earlier parts may have ended, so accepting their users again would end their next
 * sessions. Large requests run one after the other, so a repetition finds the answer to the first request.
 */
export function acceptInParts({
  changes,
  read,
  write,
  keep,
  onAcceptedInPart,
}: AcceptInPartsOptions): Accept {
  let previous: Promise<unknown> = Promise.resolve()

  const acceptAll: Accept = async (signals, replay, now, origin, batch) => {
    const earlier = replay && (await read(() => changes.answerTo(replay, now)))
    if (earlier?.isFinished) return { revocations: earlier.revocations, replayed: true }
    let before = earlier?.revocations ?? null
    let isBraked = false
    for (;;) {
      const isLast = (before?.length ?? 0) + SIGNALS_PER_PART >= signals.length
      const part = { before, size: SIGNALS_PER_PART }
      const accepted = await (isLast ? keep : write)(() =>
        changes.accept(signals, replay, now, { origin, batch }, part),
      ).catch((error) => {
        if (part.before) onAcceptedInPart()
        throw error
      })
      if (accepted.replayed) return accepted
      before = accepted.revocations
      isBraked ||= accepted.isBraked === true
      if (isLast) return { revocations: before, replayed: false, ...(isBraked ? { isBraked } : {}) }
    }
  }

  return (signals, replay, now, origin, batch) => {
    if (signals.length <= SIGNALS_PER_PART)
      return keep(() => changes.accept(signals, replay, now, { origin, batch }))
    const accepted = previous.then(() => acceptAll(signals, replay, now, origin, batch))
    previous = accepted.catch(() => {})
    return accepted
  }
}
