import { CurfewError } from '../base/errors.ts'
import type { ClientPower, PowerOptions, QlikTenant } from './qlik-tenant.ts'

/** Maximum age of the client's known power, in ms, if an empty list depends on it. */
export const FRESH_POWER_MS = 10_000

/**
 * Returns the client's power unless it is known to be lacking: `unknown` passes, because the listing may prove it.
 * @throws CURFEW_CLIENT_NOT_ADMIN if the client is known to lack the role; CURFEW_SCOPE_TOO_NARROW if the granted
 * scope is too narrow
 */
export async function requirePower(tenant: QlikTenant, options: PowerOptions): Promise<ClientPower> {
  const known = await tenant.power(options)
  if (known.evidence === 'scope-too-narrow') {
    throw new CurfewError(
      'CURFEW_SCOPE_TOO_NARROW',
      `Qlik Cloud granted the scope "${known.scope}"; without admin_classic the client cannot see other users' tokens.`,
    )
  }
  if (known.power === 'lacking') {
    throw new CurfewError(
      'CURFEW_CLIENT_NOT_ADMIN',
      "The OAuth client's bot user lacks the role TenantAdmin, so it cannot see other users' tokens.",
    )
  }
  return known
}
