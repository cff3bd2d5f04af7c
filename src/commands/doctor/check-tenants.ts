import { systemClock } from '../../base/clock.ts'
import { Deprecations } from '../../qlik/deprecations.ts'
import { tenantChecks } from '../../qlik/tenant-checks.ts'
import type { TenantConfig } from '../../qlik/tenant-config.ts'
import { Tenants } from '../../qlik/tenants.ts'
import type { ClientPower } from '../../revocation/qlik-tenant.ts'
import { toFailure } from '../../revocation/retry-policy.ts'
import { NO_HISTORY, SILENT } from '../configured-tenant.ts'
import { type Finding, failed, ok, warning } from './finding.ts'

const TIMEOUT_MS = 20_000
const CLOCK_OFFSET_WARNING_MS = 5_000

/** Checks each tenant: credentials, granted scope, role, clock and deprecated routes. Costs a few calls per client. */
export async function checkTenants(configs: readonly TenantConfig[]): Promise<Finding[]> {
  const single = configs.flatMap((config) =>
    config.clients.map((client): TenantConfig => ({ ...config, clients: [client] })),
  )
  const findings = await Promise.all(
    single.map((config) => {
      const hasOthers = configs.some(({ name, clients }) => name === config.name && clients.length > 1)
      return checkTenant(config, `tenant ${config.name}${hasOthers ? ` ${config.clients[0].clientId}` : ''}`)
    }),
  )
  return findings.flat()
}

/** @param config with one client: each is checked alone, so that one that works does not hide another */
async function checkTenant(config: TenantConfig, what: string): Promise<Finding[]> {
  const deprecations = new Deprecations({ clock: systemClock, log: SILENT })
  const onCall = (tenant: string, call: Parameters<typeof deprecations.note>[1]) =>
    deprecations.note(tenant, call)
  const tenants = new Tenants([config], { permits: NO_HISTORY, clock: systemClock, log: SILENT, onCall })
  try {
    const tenant = tenants.get(config.name)
    if (!tenant) return []
    const power = await tenant.power({ urgency: 0, signal: AbortSignal.timeout(TIMEOUT_MS), maxAgeMs: 0 })
    const [check] = tenantChecks(tenants, deprecations)
    const deprecated = deprecations.of(config.name).map(({ route }) => route)
    return [
      powerFinding(what, power),
      clockFinding(what, tenant.state.clockOffsetMs),
      deprecated.length === 0
        ? ok(`${what} API`, 'Qlik has deprecated none of the routes that were called.')
        : warning(
            `${what} API`,
            check?.detail ?? deprecated.join(', '),
            'Look for a newer version of Curfew.',
          ),
    ]
  } catch (error) {
    const { code, detail, action } = describe(error)
    return [failed(`${what} client`, `${code}: ${detail}`, action)]
  } finally {
    await tenants.stop()
  }
}

function describe(error: unknown): { code: string; detail: string; action: string } {
  const { code, detail } = toFailure(error)
  if (error instanceof Error && error.name === 'TimeoutError')
    return {
      code: 'TIMEOUT',
      detail: 'The tenant did not answer in time.',
      action: 'Check the network and the proxy.',
    }
  const action = /UNAUTHORIZED|CREDENTIALS|FORBIDDEN/.test(code)
    ? 'Check the id, the secret or key, and the scopes of the OAuth client in Qlik.'
    : `See docs/errors.md for ${code}.`
  return { code, detail, action }
}

function powerFinding(what: string, { power, evidence, scope }: ClientPower): Finding {
  const granted = `granted scope "${scope}"`
  if (power === 'proven')
    return ok(`${what} client`, `It can see the tokens of other users (${evidence}); ${granted}.`)
  if (evidence === 'scope-too-narrow')
    return failed(
      `${what} client`,
      `It cannot see the tokens of other users; ${granted}.`,
      'Allow the scope admin_classic for the OAuth client in Qlik.',
    )
  if (power === 'lacking')
    return failed(
      `${what} client`,
      `It lacks the role TenantAdmin; ${granted}.`,
      'Assign TenantAdmin to the bot user of the OAuth client.',
    )
  return warning(
    `${what} client`,
    `It is not known whether it can see the tokens of other users; ${granted}.`,
    'Check that its bot user has the role TenantAdmin.',
  )
}

function clockFinding(what: string, offsetMs: number): Finding {
  const detail = `The clocks differ by ${(Math.abs(offsetMs) / 1000).toFixed(1)} s.`
  if (Math.abs(offsetMs) > CLOCK_OFFSET_WARNING_MS)
    return warning(`${what} clock`, detail, 'Synchronize the clock of this machine (NTP).')
  return ok(`${what} clock`, detail)
}
