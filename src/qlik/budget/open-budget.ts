import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { ClientConfig, TenantConfig } from '../tenant-config.ts'
import type { Ledger, LedgerLimits } from './ledger.ts'
import { LocalLedger } from './local-ledger.ts'
import type { EarlyRefusal } from './minute-limit.ts'
import type { BudgetKey, Permits, Tier } from './permit-log.ts'
import { type BudgetLimits, RateBudget } from './rate-budget.ts'
import { SharedLedger } from './shared-ledger.ts'

export interface OpenBudgetOptions {
  permits: Permits
  clock: Clock
  log: Log
  /** Called when Qlik has refused a call that the limits allow, and requested a wait of `waitMs`. Not for probes. */
  onEarlyRefusal?: (key: BudgetKey, refusal: EarlyRefusal & { waitMs: number }) => void
}

/** The budget of one client of a tenant, empty until restored. */
export function openBudget(
  config: Pick<TenantConfig, 'name' | 'origin'> & BudgetLimits,
  { clientId }: Pick<ClientConfig, 'clientId'>,
  { permits, clock, log, onEarlyRefusal = () => {} }: OpenBudgetOptions,
): RateBudget {
  const { name, origin } = config
  const keyOf = (tier: Tier) => ({ origin, tenant: name, client: clientId, tier })
  const openLedger = (tier: Tier, limits: LedgerLimits): Ledger => {
    const key = keyOf(tier)
    const onFailure = (error: unknown) =>
      log.error({ err: error, tenant: name }, 'the permits for calls to Qlik Cloud could not be stored')
    const own = { ...limits, key, clock, onFailure }
    return 'exchange' in permits
      ? new SharedLedger({ ...own, permits })
      : new LocalLedger({ ...own, permits })
  }
  const budget = new RateBudget({
    limits: config,
    openLedger,
    clock,
    onBlock: ({ tier, until, askedMs, ms, hadRoom, hadRecovered }) => {
      log.warn(
        { tenant: name, client: clientId, tier, until: new Date(until).toISOString(), askedMs },
        'Qlik Cloud rate limit reached; calls of this tier are paused until the given time',
      )
      if (hadRoom && hadRecovered)
        onEarlyRefusal(keyOf(tier), { ...budget.recent(tier), askedMs, waitMs: ms })
    },
  })
  return budget
}
