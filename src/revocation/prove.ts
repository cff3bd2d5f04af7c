import type { Listing } from './listing.ts'
import { isStable, type Proof, type Role, weakestRole } from './proof.ts'
import type { CallOptions, ClientPower, QlikTenant } from './qlik-tenant.ts'
import { FRESH_POWER_MS, requirePower } from './require-power.ts'

export interface ProofRequest {
  /** A complete listing without a token in scope. */
  listing: Listing
  /** The ids of the users who were listed; at least one. */
  resolved: readonly string[]
  /** Whether the client's power must be looked up again: something has just spoken against it. */
  mustLook: boolean
  /** Whether the tenant has all these users. */
  usersExist: (role: Role) => Promise<boolean>
}

/**
 * What a listing proves, or null where it must be repeated: its pages may not fit together, or another scope was granted
 * in the meantime. The client's power is looked up where it was not seen just now: a client without it gets empty lists.
 * @throws as `requirePower` does
 */
export async function prove(
  { listing, resolved, mustLook, usersExist }: ProofRequest,
  tenant: QlikTenant,
  options: CallOptions,
): Promise<Proof | null> {
  const { at, pages, listings, scopes } = listing
  if (!isStable(listing)) return null
  const power = await requirePower(tenant, { ...options, knownForMs: mustLook ? 0 : FRESH_POWER_MS })
  const { scope } = power
  if (scopes.size > 1 || !scopes.has(scope)) return null
  const role = weakestRole(resolved.map((id) => roleFor(id, power)))
  const userExists = await usersExist(role)
  return { at, pages, listings, client: tenant.clientId, scope, role, userExists }
}

function roleFor(userId: string, { ownUserId, evidence }: ClientPower): Role {
  if (userId === ownUserId) return 'own-user'
  // `requirePower` throws where the power is lacking.
  return evidence === 'tenant-admin' || evidence === 'others-seen' ? evidence : 'not-reported'
}
