import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../clock.ts'
import type { FetchJson } from './fetch-json.ts'
import { KeySet } from './key-set.ts'
import type { SourceConfig, SourceKind } from './source-kinds.ts'
import type { IssuerConfig } from './source-schema.ts'

/** A source that is configured, with the keys of its issuer where its kind has one. */
export interface OpenSource<K extends SourceKind = SourceKind> {
  config: Extract<SourceConfig, { kind: K }>
  keys: KeySet | null
}

export interface SourcesOptions {
  fetchJson: FetchJson
  clock: Clock
}

/** Whose keys are to be found, and where. */
type KeyOwner = Pick<IssuerConfig, 'issuer' | 'jwksUri'> & { kind: SourceKind }

/** The sources that are configured now, by name. */
export class Sources {
  readonly #options: SourcesOptions
  #opened: ReadonlyMap<string, OpenSource> = new Map()

  constructor(configs: readonly SourceConfig[], options: SourcesOptions) {
    this.#options = options
    this.replace(configs)
  }

  /** From now on these. One that is as before keeps the keys that it has. */
  replace(configs: readonly SourceConfig[]): void {
    const before = this.#opened
    this.#opened = new Map(
      configs.map((config) => {
        const known = before.get(config.name)
        return [config.name, known && isDeepStrictEqual(known.config, config) ? known : this.#open(config)]
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

  #open(config: SourceConfig): OpenSource {
    if ('issuer' in config) return { config, keys: this.#keysOf(config) }
    const { jwksUri = null } = 'jwksUri' in config ? config : {}
    return {
      config,
      keys: jwksUri === null ? null : this.#keysOf({ kind: config.kind, issuer: jwksUri, jwksUri }),
    }
  }

  #keysOf({ kind, issuer, jwksUri }: KeyOwner): KeySet {
    const { fetchJson, clock } = this.#options
    return new KeySet({
      issuer,
      jwksUri: jwksUri ?? null,
      wellKnown: kind === 'shared-signals' ? 'ssf-configuration' : 'openid-configuration',
      fetchJson,
      clock,
    })
  }
}
