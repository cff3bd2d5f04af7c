import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../base/clock.ts'
import type { SourceConfig, SourceKind } from './kinds.ts'
import type { FetchJson } from './token/fetch-json.ts'
import { KeySet } from './token/key-set.ts'
import { discoverKeys } from './token/well-known.ts'
import { type Endpoint, openEndpoint, type WebhookConfig, type WebhookKind } from './webhook/endpoint.ts'

/** A source that is configured: with the keys of its issuer, or with what proves the webhooks of its vendor. */
export type OpenSource<K extends SourceKind = SourceKind> = K extends WebhookKind
  ? { config: WebhookConfig & { kind: K }; endpoint: Endpoint }
  : { config: Extract<SourceConfig, { kind: K }>; keys: KeySet }

type KeyOwner = Extract<SourceConfig, { issuer: string }>

export interface SourcesOptions {
  fetchJson: FetchJson
  clock: Clock
}

/** The sources that are configured now, by name. */
export class Sources {
  readonly #options: SourcesOptions
  #opened: ReadonlyMap<string, OpenSource> = new Map()

  constructor(configs: readonly SourceConfig[], options: SourcesOptions) {
    this.#options = options
    this.replace(configs)
  }

  /** From now on these. One whose issuer is as before keeps the keys that it has. */
  replace(configs: readonly SourceConfig[]): void {
    const before = this.#opened
    this.#opened = new Map(
      configs.map((config) => {
        const known = before.get(config.name) ?? null
        return [
          config.name,
          known && isDeepStrictEqual(known.config, config) ? known : this.#open(config, known),
        ]
      }),
    )
  }

  /** The source of that name, if it is of one of these kinds. */
  find<K extends SourceKind>(name: string, ...kinds: K[]): OpenSource<K> | null {
    const found = this.#opened.get(name)
    const isWanted = kinds.some((kind) => kind === found?.config.kind)
    // The map holds sources of all kinds; which this one is has just been looked at.
    return isWanted ? (found as unknown as OpenSource<K>) : null
  }

  /** All of one kind. */
  ofKind<K extends SourceKind>(kind: K): OpenSource<K>[] {
    return [...this.#opened.keys()].flatMap((name) => this.find(name, kind) ?? [])
  }

  #open(config: SourceConfig, before: OpenSource | null): OpenSource {
    const { fetchJson } = this.#options
    const keysAt = (address: () => Promise<string>) => new KeySet({ ...this.#options, address })
    const { jwksUri } = 'jwksUri' in config ? config : {}
    const given = jwksUri === undefined ? null : keysAt(async () => jwksUri)
    if (!('issuer' in config)) return { config, endpoint: openEndpoint(config, given) } as OpenSource
    const wellKnown = config.kind === 'shared-signals' ? 'ssf-configuration' : 'openid-configuration'
    if (before && 'keys' in before && haveSameKeys(before.config, config))
      return { config, keys: before.keys } as OpenSource
    const keys = given ?? keysAt(() => discoverKeys(config.issuer, wellKnown, fetchJson))
    return { config, keys } as OpenSource
  }
}

/** Whether keys are found in the same way, at the same place. */
function haveSameKeys(one: KeyOwner, other: KeyOwner): boolean {
  return one.kind === other.kind && one.issuer === other.issuer && one.jwksUri === other.jwksUri
}
