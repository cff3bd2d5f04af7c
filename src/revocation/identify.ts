import { CurfewError } from '../errors.ts'
import type { CallOptions, QlikTenant } from './qlik-tenant.ts'
import type { UserReference } from './signal.ts'

/**
 * The Qlik user ids that a reference means; none when no user matches. A Qlik user id is taken as it is.
 *
 * Qlik compares without regard to letter case, so several users can match. Nobody may be logged out by
 * accident: then all must be exactly what was asked for.
 * @throws CURFEW_AMBIGUOUS_USER; CURFEW_OWN_USER when a name, not the id, leads to Curfew's own user
 */
export async function identify(
  user: UserReference,
  ownUserId: string,
  tenant: QlikTenant,
  options: CallOptions,
): Promise<string[]> {
  if (user.kind === 'userId') return [user.value]
  const matches = await tenant.findUsers(user, options)
  if (matches.length > 1 && matches.some((match) => match.value !== user.value)) {
    throw new CurfewError(
      'CURFEW_AMBIGUOUS_USER',
      `${matches.length} users match, and not all of them exactly, letter case included.`,
    )
  }
  const ids = [...new Set(matches.map((match) => match.id))]
  if (ids.includes(ownUserId)) throw new CurfewError('CURFEW_OWN_USER')
  return ids
}
