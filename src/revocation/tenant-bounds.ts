import { CurfewError, invalidMember } from '../base/errors.ts'

/** The tenants that are configured now. */
export interface TenantNames {
  has(name: string): boolean
  /** All of them, the default one first. */
  names(): readonly string[]
}

/** What bounds whoever is proven: the tenants that they are for; null for all. */
export interface TenantBounds {
  tenants: readonly string[] | null
}

/** Whether a proven sender may name this tenant, and see what is done there. */
export function mayUse({ tenants }: TenantBounds, tenant: string): boolean {
  return tenants === null || tenants.includes(tenant)
}

/**
 * The tenant that a sender means. One who names none means the only tenant that is theirs, else the default one. A
 * tenant of others is as unknown as one that does not exist: the answer does not tell which there are.
 * @throws CURFEW_UNKNOWN_TENANT; CURFEW_REQUEST_INVALID when it has to be named and is not
 */
export function tenantFor(named: string | undefined, sender: TenantBounds, tenants: TenantNames): string {
  const [only, ...others] = sender.tenants ?? []
  const meant = named ?? (only !== undefined && others.length === 0 ? only : tenants.names()[0])
  if (meant !== undefined && tenants.has(meant) && mayUse(sender, meant)) return meant
  if (named === undefined && others.length > 0) {
    throw invalidMember(
      '/tenant',
      'expected one of the tenants that this sender is for: the default one is not',
    )
  }
  throw new CurfewError('CURFEW_UNKNOWN_TENANT')
}
