import type { FetchJson } from '../../token/fetch-json.ts'
import type { SharedSignalsSource } from '../entry.ts'
import { type KeepStreamOptions, keepStream } from './keep-stream.ts'
import { Transmitter } from './transmitter.ts'
import { openAccess } from './transmitter-access.ts'
import type { SendToTransmitter } from './transmitter-http.ts'

export interface StreamKeepersOptions extends Omit<KeepStreamOptions, 'signal'> {
  /** Those that are configured now. */
  sources: () => readonly SharedSignalsSource[]
  fetchJson: FetchJson
  send: SendToTransmitter
}

/** Keeps the streams of the sources that are configured now, each by itself. */
export class StreamKeepers {
  readonly #options: StreamKeepersOptions
  readonly #keepers = new Map<SharedSignalsSource, AbortController>()
  /** What has not ended yet, also of sources that are gone. */
  readonly #running = new Set<Promise<void>>()
  #isStopped = false

  constructor(options: StreamKeepersOptions) {
    this.#options = options
  }

  /** To be called at the start, and when sources have been replaced: one that is as before goes on. */
  sync(): void {
    if (this.#isStopped) return
    const wanted = new Set(this.#options.sources())
    for (const [source, abort] of this.#keepers) {
      if (wanted.has(source)) continue
      abort.abort()
      this.#keepers.delete(source)
    }
    for (const source of wanted) if (!this.#keepers.has(source)) this.#start(source)
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const abort of this.#keepers.values()) abort.abort()
    await Promise.all(this.#running)
  }

  #start(source: SharedSignalsSource): void {
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
