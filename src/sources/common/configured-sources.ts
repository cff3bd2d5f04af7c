import { isDeepStrictEqual } from 'node:util'
import type { SourceEntry } from '../../base/source-entry.ts'

/** A configured source: its entry, and what its part adds. */
export interface ConfiguredSource {
  config: SourceEntry
}

/** The configured sources of one part, by name. */
export class ConfiguredSources<Source extends ConfiguredSource> {
  readonly #open: (config: Source['config'], previous: Source | null) => Source
  #sources: ReadonlyMap<string, Source> = new Map()

  /** @param open opens a source; `previous` has the same name, and its keys may be kept */
  constructor(open: (config: Source['config'], previous: Source | null) => Source) {
    this.#open = open
  }

  /** Replaces all sources. One whose entry is unchanged stays open. */
  replace(configs: readonly Source['config'][]): void {
    const previous = this.#sources
    this.#sources = new Map(
      configs.map((config) => {
        const known = previous.get(config.name) ?? null
        const isUnchanged = known !== null && isDeepStrictEqual(known.config, config)
        return [config.name, isUnchanged ? known : this.#open(config, known)]
      }),
    )
  }

  find(name: string): Source | null {
    return this.#sources.get(name) ?? null
  }

  all(): Source[] {
    return [...this.#sources.values()]
  }
}
