import { CurfewError } from '../base/errors.ts'
import type { ClientPower, PowerOptions, QlikTenant } from './qlik-tenant.ts'

/** How old the knowledge of the client's power may be where an empty list depends on it. */
export const FRESH_POWER_MS = 10_000

/**
 * The client's power, where it may have any: `unknown` passes, as what is listed may prove it.
 * @throws CURFEW_CLIENT_NOT_ADMIN when the client is known to lack the role; CURFEW_SCOPE_TOO_NARROW when it was granted
 * too little
 */
export async function requirePower(tenant: QlikTenant, options: PowerOptions): Promise<ClientPower> {
  const known = await tenant.power(options)
  if (known.evidence === 'scope-too-narrow') {
    throw new CurfewError(
      'CURFEW_SCOPE_TOO_NARROW',
      `Qlik Cloud granted the scope "${known.scope}": without admin_classic other users' tokens are invisible.`,
    )
  }
  if (known.power === 'lacking') {
    throw new CurfewError(
      'CURFEW_CLIENT_NOT_ADMIN',
      "The OAuth client's bot user lacks the role TenantAdmin, so other users' tokens are invisible to it.",
    )
  }
  return known
}
