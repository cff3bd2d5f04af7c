import { z } from 'zod'
import { isSecureAddress } from '../../base/config-formats.ts'
import { CurfewError } from '../../base/errors.ts'
import type { FetchJson } from './fetch-json.ts'

const Discovery = z.looseObject({ issuer: z.string().max(2048), jwks_uri: z.string().max(2048) })

/** The discovery documents that contain the address of an issuer's keys. */
export type WellKnown = 'openid-configuration' | 'ssf-configuration'

/**
 * The address of an issuer's discovery document. OpenID Connect Discovery 1.0, section 4, appends it to the issuer's
 * path; the Shared Signals Framework 1.0 inserts it between host and path. If the issuer is the address of its own
 * configuration (authentik), it is used unchanged.
 */
export function wellKnownAddress(issuer: string, name: WellKnown): string {
  const base = issuer.replace(/\/$/, '')
  if (name !== 'ssf-configuration') return `${base}/.well-known/${name}`
  const { origin, pathname } = new URL(issuer)
  if (pathname.startsWith(`/.well-known/${name}`)) return issuer
  return `${origin}/.well-known/${name}${base.slice(origin.length)}`
}

/**
 * Reads the address of the issuer's keys from its discovery document. Only an address at the issuer's own host is
 * accepted, because nobody else can publish keys there. Any other address must be configured (jwksUri).
 * @throws CURFEW_FETCH_FAILED
 */
export async function discoverKeys(issuer: string, name: WellKnown, fetchJson: FetchJson): Promise<string> {
  const found = Discovery.parse(await fetchJson(wellKnownAddress(issuer, name)))
  const failed = (message: string) => new CurfewError('CURFEW_FETCH_FAILED', message)
  if (found.issuer !== issuer) {
    throw failed(`The discovery document has another issuer: "${found.issuer}", not "${issuer}".`)
  }
  if (!isSecureAddress(found.jwks_uri) || new URL(found.jwks_uri).host !== new URL(issuer).host) {
    throw failed(`The keys are at another host: "${found.jwks_uri}". If it is the right one, set jwksUri.`)
  }
  return found.jwks_uri
}
