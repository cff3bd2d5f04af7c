import { CurfewError } from '../base/errors.ts'
import type { CallOptions, QlikTenant } from './qlik-tenant.ts'
import type { UserReference } from './signal.ts'
import { isSameName } from './user-names.ts'

/**
 * The Qlik user ids that a reference means; none when no user matches. A Qlik user id is taken as it is.
 *
 * Qlik compares without regard to letter case, and does not say how far that goes: several users can match, and one that
 * matches may have a name that only looks alike. Nobody may be logged out by accident. So several must all be exactly what
 * was asked for, and a single one may differ in the case of ASCII letters only.
 * @throws CURFEW_AMBIGUOUS_USER; CURFEW_OWN_USER when a name, not the id, leads to Curfew's own user
 */
export async function identify(
  user: UserReference,
  ownUserId: string,
  tenant: Pick<QlikTenant, 'findUsers'>,
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
  if (matches.some((match) => !isSameName(match.value, user.value))) {
    throw new CurfewError(
      'CURFEW_AMBIGUOUS_USER',
      'The only user that matches is spelled differently, and not only in the case of ASCII letters.',
    )
  }
  const ids = [...new Set(matches.map((match) => match.id))]
  if (ids.includes(ownUserId)) throw new CurfewError('CURFEW_OWN_USER')
  return ids
}
