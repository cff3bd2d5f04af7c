import { CurfewError } from '../base/errors.ts'
import { identify } from './identify.ts'
import { type Listing, type ListOptions, listAll, usersOf } from './listing.ts'
import type { Proof } from './proof.ts'
import { prove } from './prove.ts'
import { QlikFailure, type QlikTenant } from './qlik-tenant.ts'
import { requirePower } from './require-power.ts'
import type { Revocation } from './revocation.ts'

/** Two identical listings are enough; the user's tokens may change in between, so allow a few more. */
const MAX_LISTINGS = 4

/**
 * Result of the confirming listing. `early`: the tenant's clock is not past the leeway yet, so the listing may lack
 * tokens in scope. `stopped`: the listing failed or is not accepted as proof, and `error` says why.
 */
export type ConfirmResult =
  | { found: 'nothing'; proof: Proof | null; kept: number; undecided: number; resolved: string[] }
  | { found: 'tokens'; count: number }
  | { found: 'early'; inMs: number }
  | { found: 'stopped'; error: unknown }

/**
 * Lists the tokens of a completed revocation's users again after the leeway; deletes nothing. Usually this takes
 * one call; a listing of several pages is repeated until two in a row are equal. The last run has established who the
 * users are and that they exist; they are looked up only if a version without proofs made that run. Never rejects.
 */
export async function confirm(
  revocation: Revocation,
  tenant: QlikTenant,
  options: ListOptions,
): Promise<ConfirmResult> {
  try {
    const early = options.time.missingNowMs()
    if (early !== null && early > 0) return { found: 'early', inMs: Math.ceil(early) }
    const { ownUserIds } = await requirePower(tenant, options)
    const resolved =
      revocation.resolved.length > 0
        ? revocation.resolved
        : (await identify(revocation.user, ownUserIds, tenant, options)).ids
    if (resolved.length === 0) return { found: 'nothing', proof: null, kept: 0, undecided: 0, resolved }
    return await listToConfirm({ ...revocation, resolved }, ownUserIds, tenant, options)
  } catch (error) {
    return { found: 'stopped', error }
  }
}

async function listToConfirm(
  revocation: Revocation,
  ownUserIds: ReadonlySet<string>,
  tenant: QlikTenant,
  options: ListOptions,
): Promise<ConfirmResult> {
  const { resolved, user, proof: known } = revocation
  const users = usersOf(resolved, ownUserIds)
  let listing: Listing | null = null
  for (let count = 0; count < MAX_LISTINGS; count += 1) {
    listing = await listAll(users, listing, tenant, options)
    const { inScope, kept, failure, undecided, owners, beganAt } = listing
    if (inScope.size > 0) return { found: 'tokens', count: inScope.size }
    if (failure !== null) throw failure
    // The listing may have been made before the machine slept.
    if (options.time.hasSleptSince(beganAt)) continue
    const missing = options.time.missingMs(beganAt)
    if (missing === null)
      throw new QlikFailure('unreadable', 'No response from Qlik Cloud has a usable Date header.')
    if (missing > 0) return { found: 'early', inMs: Math.ceil(missing) }
    const usersExist = async (_role: Proof['role'], client: string) => {
      if (known?.userExists || user.kind !== 'userId') return true
      return owners.has(user.value) || tenant.userExists(user.value, { ...options, client })
    }
    const proof = await prove({ listing, resolved, mustRecheck: false, usersExist }, tenant, options)
    if (proof) return { found: 'nothing', proof, kept: kept.size, undecided, resolved }
  }
  throw new CurfewError('CURFEW_LISTING_UNSTABLE')
}
