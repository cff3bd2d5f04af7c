import { CurfewError } from '../base/errors.ts'
import {
  type CallOptions,
  type ClientPower,
  POWERS,
  type PowerOptions,
  type QlikTenant,
} from './qlik-tenant.ts'

/** Maximum age of the client's known power, in ms, if an empty list depends on it. */
export const FRESH_POWER_MS = 10_000

/**
 * Returns the client's power unless it is known to be lacking: `unknown` passes, because the listing may prove it.
 * @throws CURFEW_CLIENT_NOT_ADMIN if the client is known to lack the role; CURFEW_SCOPE_TOO_NARROW if the granted
 * scope is too narrow
 */
export async function requirePower(
  tenant: Pick<QlikTenant, 'power'>,
  options: PowerOptions,
): Promise<ClientPower> {
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

/**
 * Returns the power of the client that made a listing. Null if the listing is not accepted as proof: the client is
 * closed, so `power` returns that of another one, which may see more; or another client is more powerful.
 * @throws as `requirePower` does, if no client has the power
 */
export async function powerBehind(
  client: string,
  tenant: Pick<QlikTenant, 'power'>,
  options: Omit<PowerOptions, 'client'>,
): Promise<ClientPower | null> {
  const found = await tenant.power({ ...options, client })
  if (found.client === client && found.power === 'proven') return found
  const { signal, urgency } = options
  const best = await requirePower(tenant, { signal, urgency })
  return found.client !== client || rankOf(best) < rankOf(found) ? null : found
}

/**
 * Whether a client that has found no user is proven to see all of them, so that there is none. Its power is looked up again: it
 * may have lost its role before it searched, and nothing confirms later that there is no such user.
 * @throws CURFEW_LISTING_UNSTABLE if another client may see more, so that the search must be repeated; as `powerBehind`
 * does
 */
export async function sawAllUsers(
  client: string,
  tenant: Pick<QlikTenant, 'power'>,
  options: CallOptions,
): Promise<boolean> {
  const power = await powerBehind(client, tenant, { ...options, maxAgeMs: 0 })
  if (power !== null) return power.power === 'proven'
  throw seesFewer()
}

/**
 * Requires that no client is proven to see all users, after one that is not has found no user.
 * @throws CURFEW_LISTING_UNSTABLE if one is, so that the search must be repeated; as `requirePower` does
 */
export async function requireNoBetter(
  tenant: Pick<QlikTenant, 'power'>,
  options: CallOptions,
): Promise<void> {
  const { power } = await requirePower(tenant, options)
  if (power === 'proven') throw seesFewer()
}

function seesFewer(): CurfewError {
  return new CurfewError(
    'CURFEW_LISTING_UNSTABLE',
    'The OAuth client that did not find the user may see fewer users than another client of the tenant.',
  )
}

/** 0 is the most powerful. */
function rankOf({ power }: ClientPower): number {
  return POWERS.indexOf(power)
}
