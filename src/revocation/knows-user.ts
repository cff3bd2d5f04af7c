import type { Clock } from '../base/clock.ts'
import type { QlikTenants } from './qlik-tenant.ts'
import type { UserReference } from './signal.ts'

/** Whether a tenant has a user; `undecided` if that cannot be determined in time. */
export type KnowsUser = (tenant: string, user: UserReference) => Promise<'known' | 'unknown' | 'undecided'>

/** The caller waits for the result. */
const WAIT_MS = 1_500

export interface KnowsUserOptions {
  tenants: Pick<QlikTenants, 'get'>
  clock: Clock
}

/**
 * Asks Qlik, with a short time limit. If Qlik is slow or down, the budget is used up, or the client lacks the role to
 * see other users, the result is `undecided`, never an error. Qlik user ids are not looked up.
 */
export function createKnowsUser({ tenants, clock }: KnowsUserOptions): KnowsUser {
  return async (name, user) => {
    const tenant = tenants.get(name)
    if (!tenant || user.kind === 'userId') return 'undecided'
    const abort = new AbortController()
    const cancel = clock.after(WAIT_MS, () => abort.abort())
    const call = { signal: abort.signal, urgency: 0 }
    try {
      const { matches, seesAll } = await tenant.findUsers(user, call)
      if (matches.length > 0) return 'known'
      return seesAll ? 'unknown' : 'undecided'
    } catch {
      return 'undecided'
    } finally {
      cancel()
    }
  }
}
