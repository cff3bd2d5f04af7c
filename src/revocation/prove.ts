import { type Listing, onlyClient } from './listing.ts'
import { isStable, type Proof, type Role, weakestRole } from './proof.ts'
import type { CallOptions, ClientPower, QlikTenant } from './qlik-tenant.ts'
import { FRESH_POWER_MS, powerBehind, sawAllUsers } from './require-power.ts'

export interface ProofRequest {
  /** A complete listing with no token in scope. */
  listing: Listing
  /** Ids of the listed users; at least one. */
  resolved: readonly string[]
  /** Whether to look up the client's power again, because something has cast doubt on it. */
  mustRecheck: boolean
  /** Asks the client that made the listing: another one may see less. */
  usersExist: (role: Role, client: string) => Promise<boolean>
}

/**
 * What a listing proves, or null if it must be repeated: its pages may be inconsistent or made by several clients, a
 * different scope was granted in the meantime, or its client is removed or less powerful than another. The power of the
 * client that made it is looked up unless it was confirmed moments ago: a client without it gets empty lists.
 * @throws as `powerBehind` does
 */
export async function prove(
  { listing, resolved, mustRecheck, usersExist }: ProofRequest,
  tenant: QlikTenant,
  options: CallOptions,
): Promise<Proof | null> {
  const { beganAt, pages, listings, scopes } = listing
  const client = onlyClient(listing)
  if (!isStable(listing) || client === undefined) return null
  const maxAgeMs = mustRecheck ? 0 : FRESH_POWER_MS
  const power = await powerBehind(client, tenant, { ...options, maxAgeMs })
  if (power === null) return null
  const { scope } = power
  if (scopes.size > 1 || !scopes.has(scope)) return null
  const role = weakestRole(resolved.map((id) => roleFor(id, power)))
  const userExists = await usersExist(role, client)
  if (!userExists && power.power === 'proven' && !(await sawAllUsers(client, tenant, options))) return null
  return { at: beganAt.wall, pages, listings, client, scope, role, userExists }
}

function roleFor(userId: string, { ownUserId, evidence }: ClientPower): Role {
  if (userId === ownUserId) return 'own-user'
  // `powerBehind` throws if the power is lacking.
  return evidence === 'tenant-admin' || evidence === 'others-seen' ? evidence : 'not-reported'
}
