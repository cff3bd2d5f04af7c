import { CurfewError } from '../errors.ts'
import { type Listing, type ListOptions, listAll, usersOf } from './listing.ts'
import type { Proof } from './proof.ts'
import { prove } from './prove.ts'
import type { QlikTenant } from './qlik-tenant.ts'
import { requirePower } from './require-power.ts'
import type { Revocation } from './revocation.ts'

/** Two that show the same are enough; some more, as the user's tokens may change in between. */
const LISTINGS_AT_MOST = 4

/** A completed revocation, with what its last run resolved, which is not empty, and proved. */
export type Completed = Revocation & { resolved: readonly string[]; proof: Proof }

/** What the confirming listing showed. `stopped`: it did not come about, or was no proof, and `error` says why. */
export type Confirmation =
  | { found: 'nothing'; proof: Proof; undecided: number }
  | { found: 'tokens'; count: number }
  | { found: 'stopped'; error: unknown }

/**
 * Lists the tokens of a completed revocation's users once more, after the leeway; deletes nothing. In the usual case that
 * is one call: a listing of several pages is repeated until two show the same, unless nothing was deleted meanwhile. That the
 * users exist is known from the proof at hand. Never rejects.
 */
export async function confirm(
  revocation: Completed,
  tenant: QlikTenant,
  options: ListOptions,
): Promise<Confirmation> {
  const { resolved } = revocation
  try {
    const { ownUserId } = await requirePower(tenant, options)
    const users = usersOf(revocation, resolved, ownUserId, tenant)
    const usersExist = async () => revocation.proof.userExists
    let listing: Listing | null = null
    for (let count = 0; count < LISTINGS_AT_MOST; count += 1) {
      listing = await listAll(users, listing, tenant, options)
      if (listing.inScope.size > 0) return { found: 'tokens', count: listing.inScope.size }
      if (listing.failure !== null) throw listing.failure
      const proof = await prove({ listing, resolved, mustLook: false, usersExist }, tenant, options)
      if (proof) return { found: 'nothing', proof, undecided: listing.undecided }
    }
    throw new CurfewError('CURFEW_LISTING_UNSTABLE')
  } catch (error) {
    return { found: 'stopped', error }
  }
}
