import type { Clock } from '../clock.ts'
import type { TenantConfig } from '../config.ts'
import type { Log } from '../log.ts'
import type { Ledger } from './ledger.ts'
import { LocalLedger } from './local-ledger.ts'
import type { Permits, Tier } from './permit-log.ts'
import { RateBudget } from './rate-budget.ts'
import { SharedLedger } from './shared-ledger.ts'

export interface OpenBudgetOptions {
  permits: Permits
  clock: Clock
  log: Log
}

/** The budget of a tenant's client, empty until it is restored. */
export function openBudget(config: TenantConfig, { permits, clock, log }: OpenBudgetOptions): RateBudget {
  const { name, clientId, timeoutMs, concurrency } = config
  const openLedger = (tier: Tier, limit: number): Ledger => {
    const key = { tenant: name, client: clientId, tier }
    const onFailure = (error: unknown) =>
      log.error({ err: error, tenant: name }, 'the permits for calls to Qlik Cloud could not be stored')
    const own = { key, limit, windowMs: config.windowMs, timeoutMs, clock, onFailure }
    return 'exchange' in permits
      ? new SharedLedger({ ...own, permits })
      : new LocalLedger({ ...own, permits })
  }
  return new RateBudget({
    windowMs: config.windowMs,
    ledgers: { 1: openLedger(1, config.tier1Limit), 2: openLedger(2, config.tier2Limit) },
    // Reads are few for each revocation; the runs at once bound them.
    concurrency: { 1: Number.POSITIVE_INFINITY, 2: concurrency },
    clock,
  })
}
