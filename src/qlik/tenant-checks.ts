import type { Check } from '../base/check.ts'
import { TIERS } from './budget/permit-log.ts'
import type { Deprecations } from './deprecations.ts'
import type { TenantState } from './tenant.ts'
import type { Tenants } from './tenants.ts'

/** With more tenants than this, only those that are not ok are listed, up to this number. */
const MAX_LISTED = 20
/** Curfew compensates for the offset, but a clock that is this far off should be corrected. */
const CLOCK_OFFSET_WARNING_MS = 5_000

export type KnownTenants = Pick<Tenants, 'names' | 'opened' | 'blockedUntil'>

/**
 * The checks of all open tenants. A client without its role makes the service not ready only if every tenant is
 * affected: otherwise one tenant would stop the signals of all others.
 */
export function tenantChecks(tenants: KnownTenants, deprecations: Pick<Deprecations, 'of'>): Check[] {
  const configured = tenants.names().length
  const opened = [...tenants.opened()]
  const lacking = opened.filter(({ state }) => state.power === 'lacking').length
  const isHopeless = lacking === configured
  const checks = opened.map(({ name, state }) => {
    const warnings = [
      ...stateWarnings(state),
      ...blockWarnings(name, tenants),
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
    const detail = state.power === 'not-checked' ? { detail: 'not checked yet' } : {}
    return { ...check, status: 'ok', ...detail }
  }
  const isFailed = isHopeless && state.power === 'lacking'
  return { ...check, status: isFailed ? 'failed' : 'warning', detail: warnings.join(' ') }
}

function stateWarnings({ power, finding, failure, refusal, clockOffsetMs }: TenantState): string[] {
  if (power === 'lacking')
    return [
      finding?.evidence === 'scope-too-narrow'
        ? `The OAuth client was granted the scope "${finding.scope}". Without admin_classic it cannot see the tokens of other users.`
        : 'The OAuth client lacks the role TenantAdmin, so it cannot see the tokens of other users.',
    ]
  if (failure) return [failure.detail]
  if (refusal !== null) return [refusal]
  if (power === 'unknown')
    return ['Curfew cannot determine whether the OAuth client can see the tokens of other users.']
  if (Math.abs(clockOffsetMs) > CLOCK_OFFSET_WARNING_MS)
    return [`The tenant's clock differs by ${Math.round(clockOffsetMs / 1000)} s.`]
  return []
}

function blockWarnings(name: string, tenants: KnownTenants): string[] {
  return TIERS.flatMap((tier) => {
    const until = tenants.blockedUntil(name, tier)
    if (until === null) return []
    return [`Qlik Cloud limits the rate: no tier ${tier} calls until ${new Date(until).toISOString()}.`]
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
