import { z } from 'zod'
import type { TenantState } from '../qlik/tenant.ts'
import type { Tenants } from '../qlik/tenants.ts'

/** One thing that readiness depends on, or that should be seen to. */
export const Check = z.object({
  name: z.string(),
  status: z.enum(['ok', 'warning', 'failed']),
  detail: z.string().optional(),
})
export type Check = z.infer<typeof Check>

/** Of more tenants only those are listed that are not ok, and not more than so many. */
const LISTED_AT_MOST = 20
/** Curfew allows for the difference, but a clock that is this far off should be set. */
const CLOCK_OFFSET_WARNING_MS = 5_000

/**
 * What is known of the tenants, by those that are open. A client without its role makes the service not ready only
 * where that is so in every tenant: else the others would be sent away for the sake of one.
 */
export function tenantChecks(tenants: Pick<Tenants, 'names' | 'opened'>): Check[] {
  const configured = tenants.names().length
  const opened = [...tenants.opened()]
  const lacking = opened.filter(({ state }) => state.power === 'lacking').length
  const isHopeless = lacking === configured
  const checks = opened.map(({ name, state }) => tenantCheck(name, state, isHopeless))
  if (configured <= LISTED_AT_MOST) return checks
  const notOk = checks.filter(({ status }) => status !== 'ok')
  return [summary(configured, notOk.length, isHopeless), ...notOk.slice(0, LISTED_AT_MOST)]
}

function summary(configured: number, notOk: number, isHopeless: boolean): Check {
  const count = (tenants: number) => tenants.toLocaleString('en-US')
  const good = `${count(configured - notOk)} ok or not looked at`
  if (notOk === 0) return { name: 'tenants', status: 'ok', detail: good }
  return {
    name: 'tenants',
    status: isHopeless ? 'failed' : 'warning',
    detail: `${good}, ${count(notOk)} not ok`,
  }
}

function tenantCheck(
  name: string,
  { power, finding, failure, refusal, clockOffsetMs }: TenantState,
  isHopeless: boolean,
): Check {
  const check = { name: `tenant:${name}` }
  if (power === 'lacking') {
    const detail =
      finding?.evidence === 'scope-too-narrow'
        ? `The OAuth client was granted the scope "${finding.scope}": without admin_classic it cannot see the tokens of other users.`
        : 'The OAuth client lacks the role TenantAdmin: it cannot see the tokens of other users.'
    return { ...check, status: isHopeless ? 'failed' : 'warning', detail }
  }
  if (failure) return { ...check, status: 'warning', detail: failure.detail }
  if (refusal !== null) return { ...check, status: 'warning', detail: refusal }
  if (power === 'unknown') {
    const detail = 'It is not known whether the OAuth client can see the tokens of other users.'
    return { ...check, status: 'warning', detail }
  }
  if (Math.abs(clockOffsetMs) > CLOCK_OFFSET_WARNING_MS) {
    const detail = `The tenant's clock differs by ${Math.round(clockOffsetMs / 1000)} s.`
    return { ...check, status: 'warning', detail }
  }
  return { ...check, status: 'ok', ...(power === 'not-checked' ? { detail: 'not yet looked at' } : {}) }
}
