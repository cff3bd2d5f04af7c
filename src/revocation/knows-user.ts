import type { Clock } from '../base/clock.ts'
import type { QlikTenant } from './qlik-tenant.ts'
import type { UserReference } from './signal.ts'

/** Whether a tenant has a user; `undecided` where that cannot be told soon enough. */
export type KnowsUser = (tenant: string, user: UserReference) => Promise<'known' | 'unknown' | 'undecided'>

/** Whoever asks waits for an answer. */
const WAIT_MS = 1_500

export interface KnowsUserOptions {
  tenants: { get: (name: string) => Pick<QlikTenant, 'findUsers' | 'power'> | undefined }
  clock: Clock
}

/**
 * Asks Qlik, within a short time. Slow, down, without budget or without the role to see other users: undecided, never an
 * error. A Qlik user id is taken as it is, as ever.
 */
export function createKnowsUser({ tenants, clock }: KnowsUserOptions): KnowsUser {
  return async (name, user) => {
    const tenant = tenants.get(name)
    if (!tenant || user.kind === 'userId') return 'undecided'
    const abort = new AbortController()
    const cancel = clock.after(WAIT_MS, () => abort.abort())
    const call = { signal: abort.signal, urgency: 0 }
    try {
      const matches = await tenant.findUsers(user, call)
      if (matches.length > 0) return 'known'
      const { power } = await tenant.power(call)
      return power === 'proven' ? 'unknown' : 'undecided'
    } catch {
      return 'undecided'
    } finally {
      cancel()
    }
  }
}
