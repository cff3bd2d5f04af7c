import type { Clock } from '../base/clock.ts'
import type { Outlook } from '../revocation/estimate.ts'
import type { LimitedCalls } from '../revocation/waiting-for.ts'
import type { Tier } from './budget/permit-log.ts'
import { classOf } from './pool.ts'
import type { Tenants } from './tenants.ts'

export function tierOf(calls: LimitedCalls): Tier {
  return calls === 'reads' ? 1 : 2
}

/** What the limits of a tenant's clients allow; null if it is not configured. A tenant that is not open has not used them. */
export function outlookOf(
  tenants: Pick<Tenants, 'ifOpen' | 'configOf' | 'blockedUntil'>,
  name: string,
  clock: Pick<Clock, 'now'>,
): Outlook | null {
  const config = tenants.configOf(name)
  if (!config) return null
  const pool = tenants.ifOpen(name)?.pool
  const limits = { reads: config.tier1Limit, revocations: config.tier2Limit }
  const unused = (kind: LimitedCalls, calls: number) =>
    clock.now() + Math.floor((calls - 1) / (limits[kind] * config.clients.length)) * config.windowMs
  const blockedUntil = {
    reads: tenants.blockedUntil(name, 1),
    revocations: tenants.blockedUntil(name, 2),
  }
  const permitsPerWindow = pool?.allowance().permitsPerWindow ?? limits.revocations * config.clients.length
  return {
    freeAt(kind, calls) {
      if (calls <= 0) return clock.now()
      const at = pool?.estimate(tierOf(kind), calls) ?? unused(kind, calls)
      return Math.max(at, blockedUntil[kind] ?? 0)
    },
    permits: pool ? pool.remaining(2) : blockedUntil.revocations === null ? permitsPerWindow : 0,
    permitsPerWindow,
    nextPermitAt: pool?.usedUpUntil(2) ?? blockedUntil.revocations,
    blockedUntil,
    isRefused: pool?.clients.every((client) => classOf(client) === 'out') ?? false,
  }
}
