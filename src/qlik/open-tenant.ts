import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { toFailure } from '../revocation/retry-policy.ts'
import type { RateBudget } from './budget/rate-budget.ts'
import { QlikClient } from './client.ts'
import { type MadeCall, type OpenTransport, QlikHttp } from './http.ts'
import { HttpQlikTenant } from './tenant.ts'
import type { TenantConfig } from './tenant-config.ts'
import type { TokenMemory } from './token-memory.ts'

export interface OpenTenantOptions {
  budget: RateBudget
  memory: TokenMemory
  clock: Clock
  log: Log
  onCall: (call: MadeCall) => void
  openTransport?: OpenTransport | undefined
}

/** Creates a tenant from its configuration. No call is made before `start`. */
export function openTenant(
  config: TenantConfig,
  { budget, memory, clock, log, onCall, openTransport }: OpenTenantOptions,
): HttpQlikTenant {
  const { name, origin, apiVersion, clientId, credentials, scope, timeoutMs, concurrency } = config
  const http = new QlikHttp({ origin, apiVersion, timeoutMs, clock, onCall, openTransport })
  return new HttpQlikTenant({
    name,
    clientId,
    concurrency,
    client: new QlikClient(http, { clientId, scope }),
    credentials,
    http,
    budget,
    memory,
    clock,
    onPowerChange: ({ power, evidence, scope: granted }) => {
      const details = { tenant: name, power, evidence, granted }
      if (power === 'proven') log.info(details, "the OAuth client can see other users' tokens")
      else
        log.warn(
          details,
          "cannot confirm that the OAuth client sees other users' tokens; it needs the role TenantAdmin and the scope admin_classic",
        )
    },
    onRefusalChange: (refusal) => {
      const details = { tenant: name, ...(refusal === null ? {} : { detail: refusal }) }
      if (refusal === null)
        log.info(details, "the token endpoint accepts the OAuth client's credentials again")
      else log.warn(details, 'the token endpoint refuses credentials of the OAuth client')
    },
    onBackgroundFailure: (error) =>
      log.warn({ ...toFailure(error), tenant: name }, 'background check of the tenant failed'),
  })
}
