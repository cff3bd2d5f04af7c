import type { Check } from '../base/check.ts'
import { ERRORS, type ErrorCode } from '../base/error-table.ts'
import { TIERS } from './budget/permit-log.ts'
import type { Deprecations } from './deprecations.ts'
import type { ClientState } from './pool-client.ts'
import type { TenantState } from './tenant.ts'
import type { Tenants } from './tenants.ts'

/** With more tenants than this, only those that are not ok are listed, up to this number. */
const MAX_LISTED = 20
/** Curfew compensates for the offset, but a clock that is this far off should be corrected. */
const CLOCK_OFFSET_WARNING_MS = 5_000

export type KnownTenants = Pick<
  Tenants,
  'names' | 'opened' | 'clientBlockedUntil' | 'learnedLimit' | 'minuteLimit'
>

/**
 * The checks of all open tenants. A client without its role makes the service not ready only if every tenant is
 * affected: otherwise one tenant would stop the signals of all others.
 */
export function tenantChecks(tenants: KnownTenants, deprecations: Pick<Deprecations, 'of'>): Check[] {
  const configured = tenants.names().length
  const opened = [...tenants.opened()]
  const lacking = opened.filter(({ state }) => isLacking(state)).length
  const isHopeless = lacking === configured
  const checks = opened.map(({ name, state }) => {
    const warnings = [
      ...stateWarnings(state),
      ...blockWarnings(name, state, tenants),
      ...limitWarnings(name, tenants),
      ...deprecationWarnings(name, deprecations),
    ]
    return tenantCheck(name, state, warnings, isHopeless)
  })
  if (configured <= MAX_LISTED) return checks
  const notOk = checks.filter(({ status }) => status !== 'ok')
  return [summary(configured, notOk.length, isHopeless), ...notOk.slice(0, MAX_LISTED)]
}

function summary(configured: number, notOk: number, isHopeless: boolean): Check {
  const count = (tenants: number) => tenants.toLocaleString('en-US')
  const ok = `${count(configured - notOk)} ok or not checked`
  if (notOk === 0) return { name: 'tenants', status: 'ok', detail: ok }
  return {
    name: 'tenants',
    status: isHopeless ? 'failed' : 'warning',
    detail: `${ok}, ${count(notOk)} not ok`,
  }
}

/** The check of one tenant, with all its warnings. */
function tenantCheck(name: string, state: TenantState, warnings: string[], isHopeless: boolean): Check {
  const check = { name: `tenant:${name}` }
  if (warnings.length === 0) {
    const isChecked = state.clients.some(({ power }) => power !== 'not-checked')
    return { ...check, status: 'ok', ...(isChecked ? {} : { detail: 'not checked yet' }) }
  }
  const isFailed = isHopeless && isLacking(state)
  return { ...check, status: isFailed ? 'failed' : 'warning', detail: warnings.join(' ') }
}

/** Whether no client can see the tokens of other users. */
function isLacking({ clients }: TenantState): boolean {
  return clients.every(({ power }) => power === 'lacking')
}

function stateWarnings({ clients, clockOffsetMs }: TenantState): string[] {
  const warnings = clients.flatMap((client) =>
    clients.length === 1 ? clientWarnings(client) : clientWarnings(client).map((text) => named(client, text)),
  )
  if (warnings.length > 0 || Math.abs(clockOffsetMs) <= CLOCK_OFFSET_WARNING_MS) return warnings
  const seconds = Math.round(clockOffsetMs / 1000)
  return [`The tenant's clock differs by ${seconds} s. Synchronize the clock of this machine by NTP.`]
}

function named({ clientId }: Pick<ClientState, 'clientId'>, text: string): string {
  return `Client ${clientId}: ${text}`
}

function clientWarnings({ power, finding, failure, refusal, out }: ClientState): string[] {
  if (out)
    return [
      `${out.detail} Curfew does not use the client, and tries it again every minute. Check the client in the Qlik administration.`,
    ]
  if (power === 'lacking') return [lackingWarning(finding)]
  if (failure) return [failure.detail]
  if (refusal !== null) return [refusal]
  if (power === 'unknown')
    return [
      'Curfew cannot determine whether the OAuth client can see the tokens of other users. Check that it has the role TenantAdmin and the scope admin_classic.',
    ]
  return []
}

function lackingWarning(finding: ClientState['finding']): string {
  if (finding?.evidence !== 'scope-too-narrow') return adviceOn('CURFEW_CLIENT_NOT_ADMIN')
  return `${adviceOn('CURFEW_SCOPE_TOO_NARROW')} Granted scope: "${finding.scope}".`
}

function adviceOn(code: ErrorCode): string {
  const { title, action } = ERRORS[code]
  return `${title}. ${action}`
}

function blockWarnings(name: string, { clients }: TenantState, tenants: KnownTenants): string[] {
  return clients.flatMap((client) =>
    TIERS.flatMap((tier) => {
      const until = tenants.clientBlockedUntil(name, client.clientId, tier)
      if (until === null) return []
      const text = `Qlik Cloud limits the rate: no tier ${tier} calls until ${new Date(until).toISOString()}. Curfew continues then; no action is needed.`
      return [clients.length === 1 ? text : named(client, text)]
    }),
  )
}

function limitWarnings(name: string, tenants: KnownTenants): string[] {
  return TIERS.flatMap((tier) => {
    const limit = tenants.learnedLimit(name, tier)
    const minute = tenants.minuteLimit(name, tier)
    const warnings =
      minute === null
        ? []
        : [
            `Qlik Cloud applies its rate limit to each minute, not to five: each client makes ${minute} tier ${tier} calls per minute. No action is needed.`,
          ]
    if (limit === null) return warnings
    return [
      ...warnings,
      `Qlik Cloud refused a call although the client's limit was not reached: its limit for the whole tenant is lower, or another program uses the client. Curfew makes ${limit} tier ${tier} calls per window, and 5 % more after each window without a refusal. If another program uses the client, give Curfew its own.`,
    ]
  })
}

/** Only a newer version of Curfew can avoid deprecated endpoints, so the warning asks operators to look for one. */
function deprecationWarnings(name: string, deprecations: Pick<Deprecations, 'of'>): string[] {
  const routes = deprecations
    .of(name)
    .map(({ route, sunset }) =>
      sunset === null ? route : `${route} (not removed before ${new Date(sunset).toISOString()})`,
    )
  if (routes.length === 0) return []
  return [
    `Qlik Cloud has deprecated endpoints that Curfew calls: ${routes.join(', ')}. Look for a newer version of Curfew.`,
  ]
}
