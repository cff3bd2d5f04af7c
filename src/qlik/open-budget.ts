import type { Clock } from '../clock.ts'
import type { TenantConfig } from '../config.ts'
import type { WorkerLog } from '../revocation/worker.ts'
import type { PermitLog } from './permit-log.ts'
import { RateBudget } from './rate-budget.ts'

/** A budget, and how what earlier processes drew is read back into it: once, however often it is asked for. */
export interface OpenBudget {
  rate: RateBudget
  /** To be awaited before the first draw. What fails is tried again when asked for the next time. */
  restore: () => Promise<void>
}

export interface OpenBudgetOptions {
  permits: PermitLog
  clock: Clock
  log: WorkerLog
}

/** The budget of a tenant's client, empty until it is restored. */
export function openBudget(config: TenantConfig, { permits, clock, log }: OpenBudgetOptions): OpenBudget {
  const { name, clientId, timeoutMs, concurrency } = config
  let restoring: Promise<void> | null = null
  const rate = new RateBudget({
    tenant: name,
    client: clientId,
    limits: { 1: config.tier1Limit, 2: config.tier2Limit },
    windowMs: config.windowMs,
    // Reads are few for each revocation; the runs at once bound them.
    concurrency: { 1: Number.POSITIVE_INFINITY, 2: concurrency },
    timeoutMs,
    permits,
    clock,
    onLogFailure: (error) => log.error({ err: error, tenant: name }, 'a drawn permit could not be stored'),
  })
  return {
    rate,
    restore() {
      restoring ??= rate.restore().catch((error) => {
        restoring = null
        throw error
      })
      return restoring
    },
  }
}
