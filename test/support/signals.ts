import type { Signal } from '../../src/revocation/signal.ts'

export const T0 = Date.parse('2026-11-21T12:00:00Z')

/** A logout of the user u1 at T0, with what a test wants to be different. */
export function aSignal(different: Partial<Signal> & { userId?: string } = {}): Signal {
  const { userId = 'u1', ...rest } = different
  const { occurredAt = T0 } = rest
  return {
    tenant: 'default',
    user: { kind: 'userId', value: userId },
    source: 'logout-hook',
    reason: 'logout',
    scope: 'issued-before',
    deviceType: null,
    occurredAt: T0,
    acceptedAt: T0,
    // By a tenant whose clock is ours.
    signalTime: { tenant: { earliest: occurredAt, latest: occurredAt }, open: null, unlinked: false },
    ...rest,
  }
}
