import { createHash } from 'node:crypto'
import type { Revocation } from './revocation.ts'
import { type Signal, type UserReference, urgencyOf } from './signal.ts'

/**
 * A queued revocation after one more signal for the same user and device type joined it: the latest time, the highest urgency
 * and the widest scope win, and it may fail for another 24 hours. What it says of waiting stays.
 */
export function join(queued: Revocation, signal: Signal): Revocation {
  return {
    ...queued,
    reason: urgencyOf(signal.reason) < urgencyOf(queued.reason) ? signal.reason : queued.reason,
    scope: signal.scope === 'all' ? 'all' : queued.scope,
    occurredAt: Math.max(queued.occurredAt, signal.occurredAt),
    failingSince: null,
  }
}

/** The same text for the same tenant and reference, and another one for every other. It does not tell who it is. */
export function userKey(tenant: string, { kind, value }: UserReference): string {
  return createHash('sha256')
    .update(JSON.stringify([tenant, kind, value]))
    .digest('base64')
}
