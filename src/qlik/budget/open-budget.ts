import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { ClientConfig, TenantConfig } from '../tenant-config.ts'
import type { Ledger, LedgerLimits } from './ledger.ts'
import { LocalLedger } from './local-ledger.ts'
import type { Permits, Tier } from './permit-log.ts'
import { RateBudget } from './rate-budget.ts'
import { SharedLedger } from './shared-ledger.ts'

export interface OpenBudgetOptions {
  permits: Permits
  clock: Clock
  log: Log
  /**
   * Qlik has refused a call that the limits allow. Returns the calls per window that all clients may make together from
   * now on; null if the refusal belongs to one that is already known.
   */
  onEarlyRefusal?: (tier: Tier, waitMs: number) => number | null
}

/** The budget of one client of a tenant, empty until restored. */
export function openBudget(
  config: TenantConfig,
  { clientId }: Pick<ClientConfig, 'clientId'>,
  { permits, clock, log, onEarlyRefusal = () => null }: OpenBudgetOptions,
): RateBudget {
  const { name, origin } = config
  const openLedger = (tier: Tier, limits: LedgerLimits): Ledger => {
    const key = { origin, tenant: name, client: clientId, tier }
    const onFailure = (error: unknown) =>
      log.error({ err: error, tenant: name }, 'the permits for calls to Qlik Cloud could not be stored')
    const own = { ...limits, key, clock, onFailure }
    return 'exchange' in permits
      ? new SharedLedger({ ...own, permits })
      : new LocalLedger({ ...own, permits })
  }
  return new RateBudget({
    limits: config,
    openLedger,
    clock,
    onBlock: ({ tier, until, askedMs, ms, hadRoom }) => {
      const details = { tenant: name, client: clientId, tier }
      log.warn(
        { ...details, until: new Date(until).toISOString(), askedMs },
        'Qlik Cloud rate limit reached; calls of this tier are paused until the given time',
      )
      const limit = hadRoom ? onEarlyRefusal(tier, ms) : null
      if (limit !== null)
        log.warn(
          { ...details, limit },
          "Qlik Cloud refused a call although the client's limit was not reached; the tenant's clients make fewer calls per window",
        )
    },
  })
}
