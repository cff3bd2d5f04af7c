import { identify } from './identify.ts'
import { pages } from './listing.ts'
import type { CallOptions, QlikTenant } from './qlik-tenant.ts'
import { concernsOneUser } from './retry-policy.ts'
import type { Unsized } from './store/size-store.ts'

export interface Counting {
  tenant: QlikTenant
  ownUserIds: ReadonlySet<string>
  /** The number of tokens of each user; null if it must be looked up. */
  counts: ReadonlyMap<string, number> | null
  call: CallOptions
}

/** The number of tokens of a revocation's users; null if its name cannot be resolved. */
export async function sizeOf(
  { user, resolved }: Unsized,
  { tenant, ownUserIds, counts, call }: Counting,
): Promise<number | null> {
  const found =
    resolved.length > 0
      ? { ids: resolved }
      : await identify(user, ownUserIds, tenant, call).catch(onlyOneUser)
  if (found === null) return null
  let size = 0
  for (const id of found.ids) size += counts ? (counts.get(id) ?? 0) : await countTokens(tenant, id, call)
  return size
}

async function countTokens(tenant: QlikTenant, userId: string, call: CallOptions): Promise<number> {
  let count = 0
  for await (const { tokens } of pages(tenant, userId, call)) count += tokens.length
  return count
}

/** An error that concerns one user is reported by the user's run. */
function onlyOneUser(error: unknown): null {
  if (concernsOneUser(error)) return null
  throw error
}
