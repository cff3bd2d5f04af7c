import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { originOf } from '../http/origin-of.ts'
import { userKey } from '../revocation/keys.ts'
import type { RevocationStore } from '../revocation/store.ts'
import type { TenantNames } from '../revocation/tenant-bounds.ts'
import { withdraw } from '../revocation/transitions.ts'
import type { Waiters } from '../revocation/waiters.ts'
import { changeForCaller, force, type Matching, MatchingQuery } from './matching.ts'

export const CancelQuery = MatchingQuery.extend({ force })

export interface DecideOptions {
  store: Pick<RevocationStore, 'list' | 'release' | 'withdraw'>
  waiters: Pick<Waiters, 'notify'>
  /** Called with the id of a revocation that was cancelled, and may have a run. */
  onWithdrawn: (id: string) => void
  tenants: TenantNames
  clock: Clock
}

/** Queues held revocations that match. */
export async function releaseMatching(
  request: FastifyRequest,
  matching: z.infer<typeof Matching>,
  query: MatchingQuery,
  { store, waiters, tenants, clock }: DecideOptions,
) {
  const origin = originOf(request)
  let joined = 0
  const { changed, ...result } = await changeForCaller(
    request,
    { matching, change: 'release', query },
    {
      store,
      tenants,
      clock,
      attempt: () => {},
      apply: async ({ id }) => {
        const decided = await store.release({ ids: [id], limit: 1 }, clock.now(), origin)
        joined += decided.joined
        for (const { tenant, user } of decided.revocations) waiters.notify(userKey(tenant, user))
        return decided.revocations.length > 0
      },
    },
  )
  return { released: changed, joined, ...result }
}

/** Cancels queued, running and held revocations that match. */
export async function cancelMatching(
  request: FastifyRequest,
  matching: z.infer<typeof Matching>,
  { force, ...query }: z.infer<typeof CancelQuery>,
  { store, waiters, onWithdrawn, tenants, clock }: DecideOptions,
) {
  const origin = originOf(request)
  const { changed, ...result } = await changeForCaller(
    request,
    { matching, change: 'cancel', query },
    {
      store,
      tenants,
      clock,
      attempt: (one) => void withdraw(one, { now: clock.now(), by: origin.name, force }),
      apply: async ({ id }) => {
        const cancelled = await store.withdraw(id, { now: clock.now(), force }, origin)
        if (!cancelled) return false
        onWithdrawn(cancelled.id)
        waiters.notify(userKey(cancelled.tenant, cancelled.user))
        return true
      },
    },
  )
  return { cancelled: changed, ...result }
}
