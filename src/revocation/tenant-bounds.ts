import { CurfewError, invalidMember } from '../base/errors.ts'

/** The currently configured tenants. */
export interface TenantNames {
  has(name: string): boolean
  /** All tenant names, the default one first. */
  names(): readonly string[]
}

/** The tenants a proven sender is restricted to; null for all. */
export interface TenantBounds {
  tenants: readonly string[] | null
}

/** Whether a proven sender may name this tenant and see what happens there. */
export function mayUse({ tenants }: TenantBounds, tenant: string): boolean {
  return tenants === null || tenants.includes(tenant)
}

/**
 * The tenant that a request is for. A sender that names none means its only tenant, or the default one if it has
 * several. A tenant that the sender may not use is reported as unknown, so the answer does not reveal whether it
 * exists.
 * @throws CURFEW_UNKNOWN_TENANT; CURFEW_REQUEST_INVALID if the tenant must be named and is not
 */
export function tenantFor(named: string | undefined, sender: TenantBounds, tenants: TenantNames): string {
  const [only, ...others] = sender.tenants ?? []
  const meant = named ?? (only !== undefined && others.length === 0 ? only : tenants.names()[0])
  if (meant !== undefined && tenants.has(meant) && mayUse(sender, meant)) return meant
  if (named === undefined && others.length > 0) {
    throw invalidMember(
      '/tenant',
      'expected the name of a tenant: this sender is restricted to certain tenants, and the default tenant is not one of them',
    )
  }
  throw new CurfewError('CURFEW_UNKNOWN_TENANT')
}
