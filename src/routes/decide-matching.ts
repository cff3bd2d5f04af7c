import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import type { Clock } from '../base/clock.ts'
import { CurfewError } from '../base/errors.ts'
import { provenSender } from '../http/authenticate.ts'
import { originOf } from '../http/origin-of.ts'
import { lowestIdAt } from '../revocation/id.ts'
import { userKey } from '../revocation/keys.ts'
import type { Revocation } from '../revocation/revocation.ts'
import { type RevocationStore, UNENDED } from '../revocation/store.ts'
import { type TenantNames, tenantFor } from '../revocation/tenant-bounds.ts'
import { withdraw } from '../revocation/transitions.ts'
import type { Waiters } from '../revocation/waiters.ts'
import { changeForCaller, force, type Matching, MatchingQuery } from './matching.ts'

export const CancelQuery = MatchingQuery.extend({ force })

export interface DecideOptions {
  store: Pick<RevocationStore, 'list' | 'release' | 'withdraw' | 'memberSince'>
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
  const requireOwn = async ({ id }: Revocation) => {
    if (matching.batch === undefined || force) return
    const tenant = tenantFor(matching.tenant, provenSender(request), tenants)
    const since = await store.memberSince({ tenant, id: matching.batch }, id)
    if (since !== null && id < lowestIdAt(since)) throw new CurfewError('CURFEW_OLDER_THAN_BATCH')
  }
  const status = UNENDED.find((one) => one === matching.status)
  const { changed, ...result } = await changeForCaller(
    request,
    { matching, change: 'cancel', query },
    {
      store,
      tenants,
      clock,
      attempt: async (one) => {
        await requireOwn(one)
        withdraw(one, { now: clock.now(), by: origin.name, force })
      },
      apply: async (one) => {
        await requireOwn(one)
        const options = { now: clock.now(), force, only: { id: one.id, status } }
        const cancelled = await store.withdraw(one.id, options, origin)
        if (!cancelled) return false
        onWithdrawn(cancelled.id)
        waiters.notify(userKey(cancelled.tenant, cancelled.user))
        return true
      },
    },
  )
  return { cancelled: changed, ...result }
}
