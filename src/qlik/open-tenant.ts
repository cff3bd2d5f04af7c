import type { Clock } from '../clock.ts'
import type { TenantConfig } from '../config.ts'
import { toFailure } from '../revocation/retry-policy.ts'
import type { WorkerLog } from '../revocation/worker.ts'
import { QlikClient } from './client.ts'
import { QlikHttp, type Route } from './http.ts'
import type { Ledger } from './ledger.ts'
import { LocalLedger } from './local-ledger.ts'
import type { Permits, Tier } from './permit-log.ts'
import { RateBudget } from './rate-budget.ts'
import { SharedLedger } from './shared-ledger.ts'
import { HttpQlikTenant } from './tenant.ts'

export interface OpenTenantOptions {
  permits: Permits
  clock: Clock
  log: WorkerLog
  onCall: (call: { route: Route; status: number; seconds: number }) => void
}

/** Puts a tenant together from its configuration. No call is made before `start`. */
export function openTenant(
  config: TenantConfig,
  { permits, clock, log, onCall }: OpenTenantOptions,
): HttpQlikTenant {
  const { name, origin, clientId, clientSecret, scope, timeoutMs, concurrency } = config
  const http = new QlikHttp({ origin, timeoutMs, clock, onCall })
  const openLedger = (tier: Tier, limit: number): Ledger => {
    const key = { tenant: name, client: clientId, tier }
    const onFailure = (error: unknown) =>
      log.error({ err: error, tenant: name }, 'the permits for calls to Qlik Cloud could not be stored')
    const own = { key, limit, windowMs: config.windowMs, timeoutMs, clock, onFailure }
    return 'exchange' in permits
      ? new SharedLedger({ ...own, permits })
      : new LocalLedger({ ...own, permits })
  }
  const budget = new RateBudget({
    windowMs: config.windowMs,
    ledgers: { 1: openLedger(1, config.tier1Limit), 2: openLedger(2, config.tier2Limit) },
    // Reads are few for each revocation; the runs at once bound them.
    concurrency: { 1: Number.POSITIVE_INFINITY, 2: concurrency },
    clock,
  })
  return new HttpQlikTenant({
    name,
    clientId,
    concurrency,
    client: new QlikClient(http, { clientId, clientSecret, scope }),
    http,
    budget,
    clock,
    onPowerChange: (power) => {
      const details = { tenant: name, power }
      if (power === 'proven') log.info(details, "the OAuth client can see other users' tokens")
      else
        log.warn(
          details,
          "the OAuth client is not known to see other users' tokens: it needs the role TenantAdmin",
        )
    },
    onBackgroundFailure: (error) =>
      log.warn({ ...toFailure(error), tenant: name }, 'the tenant could not be looked at'),
  })
}
