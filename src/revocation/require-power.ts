import { CurfewError } from '../errors.ts'
import type { ClientPower, PowerOptions, QlikTenant } from './qlik-tenant.ts'

/**
 * The client's power, where it may have any: `unknown` passes, as what is listed may prove it.
 * @throws CURFEW_CLIENT_NOT_ADMIN when the client is known to lack the role
 */
export async function requirePower(tenant: QlikTenant, options: PowerOptions): Promise<ClientPower> {
  const known = await tenant.power(options)
  if (known.power === 'lacking') {
    throw new CurfewError(
      'CURFEW_CLIENT_NOT_ADMIN',
      "The OAuth client's bot user lacks the role TenantAdmin, so other users' tokens are invisible to it.",
    )
  }
  return known
}
