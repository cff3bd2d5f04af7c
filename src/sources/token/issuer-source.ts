import type { SourceEntry } from '../../base/source-entry.ts'
import type { IssuerConfig } from '../common/entry.ts'
import type { SourceContext } from '../common/part.ts'
import type { SourceKeys } from './key-prefetch.ts'
import { KeySet } from './key-set.ts'
import { discoverKeys, type WellKnown } from './well-known.ts'

/** A source whose tokens are signed by an issuer, and the issuer's keys. */
export interface IssuerSource<Config extends SourceEntry & IssuerConfig> {
  config: Config
  keys: KeySet
}

/**
 * Opens a source of an issuer. It keeps the keys of the previous source if their address is the same.
 * @param wellKnown the discovery document that contains the address of the keys, if the entry does not
 */
export function openIssuer<Config extends SourceEntry & IssuerConfig>(
  config: Config,
  previous: IssuerSource<Config> | null,
  { fetchJson, clock, wellKnown }: Pick<SourceContext, 'fetchJson' | 'clock'> & { wellKnown: WellKnown },
): IssuerSource<Config> {
  const { issuer, jwksUri } = config
  if (previous && previous.config.issuer === issuer && previous.config.jwksUri === jwksUri)
    return { config, keys: previous.keys }
  const address = async () => jwksUri ?? discoverKeys(issuer, wellKnown, fetchJson)
  return { config, keys: new KeySet({ address, fetchJson, clock }) }
}

/** The keys of a source, for `KeyPrefetch`. */
export function keysOf({ config, keys }: IssuerSource<SourceEntry & IssuerConfig>): SourceKeys {
  return { source: config.name, keys }
}
