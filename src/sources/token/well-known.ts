import { z } from 'zod'
import { isSecureAddress } from '../../base/config-forms.ts'
import { FetchError, type FetchJson } from './fetch-json.ts'

const Discovery = z.looseObject({ issuer: z.string(), jwks_uri: z.string() })

/** The documents in which issuers tell where their keys are. */
export type WellKnown = 'openid-configuration' | 'ssf-configuration'

/**
 * Where an issuer's document is. OpenID Connect Discovery 1.0, section 4, puts it behind the issuer's path; the Shared
 * Signals Framework 1.0 between host and path.
 */
export function wellKnownAddress(issuer: string, name: WellKnown): string {
  const base = issuer.replace(/\/$/, '')
  if (name !== 'ssf-configuration') return `${base}/.well-known/${name}`
  const { origin } = new URL(issuer)
  return `${origin}/.well-known/${name}${base.slice(origin.length)}`
}

/**
 * Where the issuer says that its keys are: only at its own host, where nobody else can put keys. Another one has to be
 * configured.
 */
export async function discoverKeys(issuer: string, name: WellKnown, fetchJson: FetchJson): Promise<string> {
  const found = Discovery.parse(await fetchJson(wellKnownAddress(issuer, name)))
  const isOwn = found.issuer === issuer && isSecureAddress(found.jwks_uri)
  if (!isOwn || new URL(found.jwks_uri).host !== new URL(issuer).host)
    throw new FetchError('DISCOVERY_OF_ANOTHER_ISSUER_OR_HOST')
  return found.jwks_uri
}
