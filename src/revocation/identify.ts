import { CurfewError } from '../base/errors.ts'
import type { CallOptions, QlikTenant } from './qlik-tenant.ts'
import { requireNoBetter } from './require-power.ts'
import type { UserReference } from './signal.ts'
import { isSameName } from './user-names.ts'

/** The Qlik users that a reference resolves to. */
export interface Identified {
  /** Empty if no user matches. */
  ids: string[]
  /** False if no user matches, but the client that searched may not see other users. */
  isProven: boolean
}

/**
 * Resolves a user reference to Qlik user ids. A Qlik user id is returned as is.
 *
 * Qlik compares names case-insensitively and does not document how far that goes: several users can match, and a
 * match may have a name that only looks similar. No user may be logged out by accident. So if several users match,
 * all names must be exactly equal to the requested one; a single match may differ in the case of ASCII letters only.
 * @throws as `requireNoBetter` does; CURFEW_AMBIGUOUS_USER; CURFEW_OWN_USER if a name, not the id, resolves to one of
 * Curfew's own users
 */
export async function identify(
  user: UserReference,
  ownUserIds: ReadonlySet<string>,
  tenant: Pick<QlikTenant, 'findUsers' | 'power'>,
  options: CallOptions,
): Promise<Identified> {
  if (user.kind === 'userId') return { ids: [user.value], isProven: true }
  const { matches, seesAll } = await tenant.findUsers(user, options)
  if (matches.length === 0) {
    if (!seesAll) await requireNoBetter(tenant, options)
    return { ids: [], isProven: seesAll }
  }
  if (matches.length > 1 && matches.some((match) => match.value !== user.value)) {
    throw new CurfewError(
      'CURFEW_AMBIGUOUS_USER',
      `${matches.length} users match, but not all of them exactly (including letter case).`,
    )
  }
  if (matches.some((match) => !isSameName(match.value, user.value))) {
    throw new CurfewError(
      'CURFEW_AMBIGUOUS_USER',
      'The only matching user is spelled differently, in more than the case of ASCII letters.',
    )
  }
  const ids = [...new Set(matches.map((match) => match.id))]
  if (ids.some((id) => ownUserIds.has(id))) throw new CurfewError('CURFEW_OWN_USER')
  return { ids, isProven: true }
}
