import type { Revocation } from './revocation.ts'
import { type Signal, urgencyOf } from './signal.ts'

/**
 * A queued revocation after one more signal for the same user joined it: the latest time, the highest urgency
 * and the widest scope win, and it may fail for another 24 hours. What it says of waiting stays.
 */
export function join(queued: Revocation, signal: Signal): Revocation {
  return {
    ...queued,
    reason: urgencyOf(signal.reason) < urgencyOf(queued.reason) ? signal.reason : queued.reason,
    scope: signal.scope === 'all' ? 'all' : queued.scope,
    deviceType: signal.deviceType === queued.deviceType ? queued.deviceType : null,
    occurredAt: Math.max(queued.occurredAt, signal.occurredAt),
    failingSince: null,
  }
}

/** Whether two references name the same user by the same kind of name. */
export function userKey(tenant: string, user: Signal['user']): string {
  return JSON.stringify([tenant, user.kind, user.value])
}
