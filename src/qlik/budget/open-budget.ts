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
}

/** The budget of one client of a tenant, empty until restored. */
export function openBudget(
  config: TenantConfig,
  { clientId }: Pick<ClientConfig, 'clientId'>,
  { permits, clock, log }: OpenBudgetOptions,
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
    onBlock: ({ tier, until, askedMs }) =>
      log.warn(
        { tenant: name, client: clientId, tier, until: new Date(until).toISOString(), askedMs },
        'Qlik Cloud rate limit reached; calls of this tier are paused until the given time',
      ),
  })
}
