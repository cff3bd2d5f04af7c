import { z } from 'zod'
import { CurfewError } from '../errors.ts'
import { pages } from './listing.ts'
import type { CallOptions, QlikTenant } from './qlik-tenant.ts'
import { requirePower } from './require-power.ts'
import { toFailure } from './retry-policy.ts'
import { isInScope, scopeOf } from './scope.ts'
import { type Signal, urgencyOf } from './signal.ts'

/** One token as a dry run shows it. */
export const TokenView = z.object({
  id: z.string(),
  deviceType: z.string().nullable(),
  description: z.string().nullable(),
  clientId: z.string().nullable(),
  lastUsed: z.string().nullable(),
})
export type TokenView = z.infer<typeof TokenView>

export type DryRun = (signal: Signal) => Promise<TokenView[]>

/** A caller is waiting: rather an error than an answer after that. */
const TIME_LIMIT_MS = 20_000
const TOKENS_AT_MOST = 10_000

/**
 * Lists the tokens that a signal for a Qlik user id would have revoked now; at most 10,000. Nothing is revoked
 * and nothing is stored.
 */
export function createDryRun(
  tenants: { get(name: string): QlikTenant | undefined },
  now: () => number,
): DryRun {
  return async (signal) => {
    const tenant = tenants.get(signal.tenant)
    if (!tenant) throw new CurfewError('CURFEW_UNKNOWN_TENANT')
    const call = { signal: AbortSignal.timeout(TIME_LIMIT_MS), urgency: urgencyOf(signal.reason) }
    try {
      return await list(signal, tenant, call, now)
    } catch (cause) {
      if (call.signal.aborted) {
        throw new CurfewError('CURFEW_QLIK_RATE_LIMITED', undefined, { cause, retryAfterSeconds: 30 })
      }
      const { code, detail } = toFailure(cause)
      throw new CurfewError(code, detail, { cause })
    }
  }
}

async function list(
  signal: Signal,
  tenant: QlikTenant,
  call: CallOptions,
  now: () => number,
): Promise<TokenView[]> {
  const { ownUserId } = await requirePower(tenant, call)
  const scope = scopeOf(signal, tenant, signal.user.value === ownUserId)
  const found = new Map<string, TokenView>()
  for await (const page of pages(tenant, signal.user.value, call)) {
    for (const token of page.tokens) {
      if (isInScope(token, scope, now() + tenant.wallOffsetMs())) found.set(token.id, token)
    }
    if (found.size >= TOKENS_AT_MOST) break
  }
  return [...found.values()].slice(0, TOKENS_AT_MOST)
}
