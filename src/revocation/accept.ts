import type { Clock } from '../base/clock.ts'
import type { Batch } from './batch.ts'
import type { Origin } from './origin.ts'
import type { QlikTenants } from './qlik-tenant.ts'
import type { ReplayKey } from './replay.ts'
import { stamped } from './run-time.ts'
import type { Signal } from './signal.ts'
import type { Accepted, RevocationStore } from './store.ts'
import { type Tracing, UNTRACED } from './tracing.ts'

export interface AcceptOptions {
  store: Pick<RevocationStore, 'accept' | 'clock'>
  tenants: Pick<QlikTenants, 'ifOpen'>
  clock: Clock
  /** By default, nothing is traced. */
  tracing?: Tracing
  /** Called once the signals are durable. */
  onAccepted: (signals: readonly Signal[], accepted: Accepted, origin: Origin) => void
}

export type Accept = (
  signals: Signal[],
  replay: ReplayKey | null,
  origin: Origin,
  batch?: Batch,
) => Promise<Accepted>

/**
 * Makes signals durable, each with its instant in the tenant's time. When the promise resolves, they are on disk.
 * Only then is the worker notified.
 */
export function createAccept({
  store,
  tenants,
  clock,
  tracing = UNTRACED,
  onAccepted,
}: AcceptOptions): Accept {
  return async (signals, replay, origin, batch) => {
    const timed = signals.map((signal) =>
      stamped(signal, { clock, tenant: tenants.ifOpen(signal.tenant), storeClock: store.clock }),
    )
    const accepted = await tracing.accept(timed, origin, (traced) =>
      store.accept(traced, replay, clock.now(), origin, batch),
    )
    onAccepted(signals, accepted, origin)
    return accepted
  }
}
