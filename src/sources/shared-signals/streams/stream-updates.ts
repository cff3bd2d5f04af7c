import { pushAuthorizationOf } from '../entry.ts'
import type { OptionalRequests } from './optional-requests.ts'
import { asksForOthers, type StreamOwner, wantedEvents } from './own-streams.ts'
import type { Stream } from './transmitter-answers.ts'
import type { TransmitterApi } from './transmitter-api.ts'

export interface StreamUpdatesOptions extends StreamOwner {
  api: Pick<TransmitterApi, 'update'>
  optional: OptionalRequests
}

/** Brings a stream to what the entry says now (Shared Signals Framework 1.0, section 8.1.1.3). */
export class StreamUpdates {
  readonly #options: StreamUpdatesOptions
  /** The header that the stream showed when it was given the entry's: it may show it masked, or not at all. */
  #given: { id: string; shown: string | null } | null = null

  constructor(options: StreamUpdatesOptions) {
    this.#options = options
  }

  /** It was created just now, with all that the entry says. */
  noteCreated({ stream_id }: Stream): void {
    this.#given = { id: stream_id, shown: null }
  }

  /**
   * Rejects only when it was aborted.
   * @returns whether there is nothing left to be tried again
   */
  async apply(url: string, stream: Stream): Promise<boolean> {
    const events = await this.#updateEvents(url, stream)
    const header = await this.#updateHeader(url, stream)
    return events !== 'failed' && header !== 'failed'
  }

  async #updateEvents(url: string, stream: Stream) {
    const { config, api, optional } = this.#options
    const events = wantedEvents(config)
    if (!asksForOthers(stream, events)) return 'done'
    const { stream_id: id } = stream
    const ask = () => api.update(url, id, { events_requested: events })
    return optional.attempt('the stream asks for other events than the entry wants', id, ask)
  }

  /** Pushes without the header that the entry names now are refused. */
  async #updateHeader(url: string, { stream_id: id, delivery }: Stream) {
    const { config, transmitter, api, optional } = this.#options
    const { pushUrl } = transmitter
    const wanted = pushAuthorizationOf(config)
    const { method, authorization_header } = delivery
    const shown = authorization_header ?? null
    if (pushUrl === undefined || wanted === null || shown === wanted) return 'done'
    if (this.#given?.id === id && this.#given.shown === shown) return 'done'
    const changed = { method, endpoint_url: pushUrl, authorization_header: wanted }
    const ask = () => api.update(url, id, { delivery: changed })
    const message = 'the stream could not be told which header its pushes need'
    const result = await optional.attempt(message, id, ask)
    if (result !== 'failed') this.#given = { id, shown }
    return result
  }
}
