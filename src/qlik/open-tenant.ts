import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { toFailure } from '../revocation/retry-policy.ts'
import type { RateBudget } from './budget/rate-budget.ts'
import { type MadeCall, type OpenTransport, QlikHttp } from './http.ts'
import type { PoolClient } from './pool-client.ts'
import { HttpQlikTenant } from './tenant.ts'
import type { ClientConfig, TenantConfig } from './tenant-config.ts'
import type { TokenMemory } from './token-memory.ts'

export interface OpenTenantOptions {
  budgetOf: (client: ClientConfig) => RateBudget
  onClientClosed?: (client: PoolClient) => void
  /** Called when the set of clients that make calls may have changed. */
  onClientsChange?: () => void
  memory: TokenMemory
  clock: Clock
  log: Log
  onCall: (call: MadeCall) => void
  openTransport?: OpenTransport | undefined
}

/** Creates a tenant from its configuration. No call is made before `start`. */
export function openTenant(
  config: TenantConfig,
  { memory, clock, log, onCall, openTransport, ...options }: OpenTenantOptions,
): HttpQlikTenant {
  const { name, origin, apiVersion, clients, timeoutMs, concurrency } = config
  const http = new QlikHttp({ origin, apiVersion, timeoutMs, clock, onCall, openTransport })
  return new HttpQlikTenant({
    ...options,
    name,
    concurrency,
    clients,
    http,
    memory,
    clock,
    onPowerChange: (client, { power, evidence, scope: granted }) => {
      const details = { tenant: name, client, power, evidence, granted }
      if (power === 'proven') log.info(details, "the OAuth client can see other users' tokens")
      else
        log.warn(
          details,
          "cannot confirm that the OAuth client sees other users' tokens; it needs the role TenantAdmin and the scope admin_classic",
        )
    },
    onRefusalChange: (client, refusal) => {
      const details = { tenant: name, client, ...(refusal === null ? {} : { detail: refusal }) }
      if (refusal === null)
        log.info(details, "the token endpoint accepts the OAuth client's credentials again")
      else log.warn(details, 'the token endpoint refuses credentials of the OAuth client')
    },
    onOutChange: (client, refusal) => {
      const details = { tenant: name, client }
      if (refusal === null) log.info(details, 'Qlik Cloud accepts the OAuth client again')
      else
        log.warn(
          { ...toFailure(refusal), ...details },
          'Qlik Cloud refuses one of the OAuth clients; the others make its calls',
        )
    },
    onBackgroundFailure: (client, error) =>
      log.warn({ ...toFailure(error), tenant: name, client }, 'background check of the tenant failed'),
  })
}
