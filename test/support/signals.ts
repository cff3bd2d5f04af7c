import type { Origin } from '../../src/revocation/origin.ts'
import type { Signal } from '../../src/revocation/signal.ts'

export const T0 = Date.parse('2026-11-21T12:00:00Z')

/** A logout of the user u1 at T0, with these changes. */
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
    // The tenant's clock agrees with Curfew's.
    signalTime: { tenant: { earliest: occurredAt, latest: occurredAt }, open: null, unlinked: false },
    ...rest,
  }
}

/** The sender of a request, for tests in which it makes no difference. */
export const AN_ORIGIN: Origin = { kind: 'api-key', name: 'backend', id: 'a1', address: '127.0.0.1' }
