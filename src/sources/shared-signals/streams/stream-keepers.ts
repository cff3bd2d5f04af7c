import type { FetchJson } from '../../token/fetch-json.ts'
import type { SharedSignalsSource } from '../entry.ts'
import { type KeepStreamOptions, keepStream } from './keep-stream.ts'
import { Transmitter } from './transmitter.ts'
import { openAccess } from './transmitter-access.ts'
import type { SendToTransmitter } from './transmitter-http.ts'

export interface StreamKeepersOptions extends Omit<KeepStreamOptions, 'signal'> {
  fetchJson: FetchJson
  send: SendToTransmitter
}

/** Keeps the streams of the configured sources, each independently of the others, between `start` and `stop`. */
export class StreamKeepers {
  readonly #options: StreamKeepersOptions
  readonly #keepers = new Map<SharedSignalsSource, AbortController>()
  /** Keepers that have not ended yet, also those of removed sources. */
  readonly #running = new Set<Promise<void>>()
  #sources: readonly SharedSignalsSource[] = []
  #state: 'new' | 'started' | 'stopped' = 'new'

  constructor(options: StreamKeepersOptions) {
    this.#options = options
  }

  /** Replaces the sources. The streams of unchanged ones are not interrupted. */
  replace(sources: readonly SharedSignalsSource[]): void {
    this.#sources = sources
    if (this.#state === 'started') this.#sync()
  }

  /** Has no effect after `stop`, which may come first if the process ends during the start. */
  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'started'
    this.#sync()
  }

  /** Resolves when every keeper has ended. */
  async stop(): Promise<void> {
    this.#state = 'stopped'
    for (const abort of this.#keepers.values()) abort.abort()
    await Promise.all(this.#running)
  }

  #sync(): void {
    const wanted = new Set(this.#sources)
    for (const [source, abort] of this.#keepers) {
      if (wanted.has(source)) continue
      abort.abort()
      this.#keepers.delete(source)
    }
    for (const source of wanted) if (!this.#keepers.has(source)) this.#keep(source)
  }

  #keep(source: SharedSignalsSource): void {
    const { config } = source
    if (!config.transmitter) return
    const abort = new AbortController()
    const { signal } = abort
    const options = { ...this.#options, signal }
    const owner = { config, transmitter: config.transmitter }
    const transmitter = new Transmitter({ ...options, ...owner, access: openAccess(owner, options) })
    const running = keepStream(source, transmitter, options).finally(() => this.#running.delete(running))
    this.#running.add(running)
    this.#keepers.set(source, abort)
  }
}
