import { type Listing, onlyClient } from './listing.ts'
import { isStable, type Proof, type Role, weakestRole } from './proof.ts'
import type { CallOptions, ClientPower, QlikTenant } from './qlik-tenant.ts'
import { FRESH_POWER_MS, requirePower } from './require-power.ts'

export interface ProofRequest {
  /** A complete listing with no token in scope. */
  listing: Listing
  /** Ids of the listed users; at least one. */
  resolved: readonly string[]
  /** Whether to look up the client's power again, because something has cast doubt on it. */
  mustRecheck: boolean
  usersExist: (role: Role) => Promise<boolean>
}

/**
 * What a listing proves, or null if it must be repeated: its pages may be inconsistent, or made by several
 * clients, or a different scope was granted in the meantime. The client's power is looked up unless it was confirmed moments ago: a client without it
 * gets empty lists.
 * @throws as `requirePower` does
 */
export async function prove(
  { listing, resolved, mustRecheck, usersExist }: ProofRequest,
  tenant: QlikTenant,
  options: CallOptions,
): Promise<Proof | null> {
  const { at, pages, listings, scopes } = listing
  const client = onlyClient(listing)
  if (!isStable(listing) || client === undefined) return null
  const maxAgeMs = mustRecheck ? 0 : FRESH_POWER_MS
  const power = await requirePower(tenant, { ...options, client, maxAgeMs })
  const { scope } = power
  if (scopes.size > 1 || !scopes.has(scope)) return null
  const role = weakestRole(resolved.map((id) => roleFor(id, power)))
  const userExists = await usersExist(role)
  return { at, pages, listings, client, scope, role, userExists }
}

function roleFor(userId: string, { ownUserId, evidence }: ClientPower): Role {
  if (userId === ownUserId) return 'own-user'
  // `requirePower` throws if the power is lacking.
  return evidence === 'tenant-admin' || evidence === 'others-seen' ? evidence : 'not-reported'
}
