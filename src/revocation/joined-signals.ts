import type { Revocation } from './revocation.ts'
import { urgencyOf } from './schedule.ts'
import type { Signal } from './signal.ts'
import * as times from './signal-time.ts'

/**
 * A queued revocation after another signal for the same user and device type joined it: the latest time, the highest
 * urgency and the widest scope win, and the 24-hour limit starts over. Its due time does not change, nor does its trace.
 */
export function join(queued: Revocation, signal: Signal | Revocation): Revocation {
  return {
    ...queued,
    reason: urgencyOf(signal.reason) < urgencyOf(queued.reason) ? signal.reason : queued.reason,
    scope: signal.scope === 'all' ? 'all' : queued.scope,
    occurredAt: Math.max(queued.occurredAt, signal.occurredAt),
    ...joinTimes(queued, signal),
    otherSenders: joinSenders(queued, signal),
    notify: [...new Set([...queued.notify, ...(signal.notify ?? [])])],
    traceparent: queued.traceparent ?? signal.traceparent ?? null,
    hold: queued.hold ?? ('hold' in signal ? signal.hold : null),
    failingSince: null,
  }
}

/** Each sender once. As many as the configuration has. */
function joinSenders({ sender, otherSenders }: Revocation, signal: Signal | Revocation): string[] {
  const joining = [signal.sender ?? null, ...('otherSenders' in signal ? signal.otherSenders : [])]
  const others = joining.filter((one) => one !== null).filter((one) => one !== sender)
  return [...new Set([...otherSenders, ...others])]
}

/** The later of both times, and the `occurredAt` that it covers. */
function joinTimes(
  queued: Revocation,
  signal: Signal | Revocation,
): Pick<Revocation, 'signalTime' | 'signalTimeOf'> {
  const { signalTime: joinedTime = null } = signal
  // A signal's time always covers the signal; a revocation's may not cover all of its signals.
  const joining = { signalTimeOf: signal.occurredAt, ...signal, signalTime: joinedTime }
  const signalTime = times.join(times.signalTimeOf(queued), times.signalTimeOf(joining))
  return { signalTime, signalTimeOf: Math.max(queued.occurredAt, signal.occurredAt) }
}
