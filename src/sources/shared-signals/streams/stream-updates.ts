import { pushAuthorizationOf } from '../entry.ts'
import type { OptionalRequests } from './optional-requests.ts'
import { asksForOthers, type StreamOwner, wantedEvents } from './own-streams.ts'
import type { TransmitterApi } from './transmitter-api.ts'
import type { Stream } from './transmitter-responses.ts'

export interface StreamUpdatesOptions extends StreamOwner {
  api: Pick<TransmitterApi, 'update'>
  optional: OptionalRequests
}

/** Updates a stream to match the entry (Shared Signals Framework 1.0, section 8.1.1.3). */
export class StreamUpdates {
  readonly #options: StreamUpdatesOptions
  /** The header that the stream showed after it was set to the entry's header. It may be masked or missing. */
  #updated: { id: string; shown: string | null } | null = null

  constructor(options: StreamUpdatesOptions) {
    this.#options = options
  }

  /** Records that the stream was created with the entry's settings. */
  noteCreated({ stream_id }: Stream): void {
    this.#updated = { id: stream_id, shown: null }
  }

  /**
   * Rejects only if aborted.
   * @returns whether no request must be repeated
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
    return optional.attempt('could not update the events that the stream requests', id, ask)
  }

  /** Curfew rejects pushes without the header in the entry. */
  async #updateHeader(url: string, { stream_id: id, delivery }: Stream) {
    const { config, transmitter, api, optional } = this.#options
    const { pushUrl } = transmitter
    const wanted = pushAuthorizationOf(config)
    const { method, authorization_header } = delivery
    const shown = authorization_header ?? null
    if (pushUrl === undefined || wanted === null || shown === wanted) return 'done'
    if (this.#updated?.id === id && this.#updated.shown === shown) return 'done'
    const changed = { method, endpoint_url: pushUrl, authorization_header: wanted }
    const ask = () => api.update(url, id, { delivery: changed })
    const message = 'could not set the Authorization header of pushes'
    const result = await optional.attempt(message, id, ask)
    if (result !== 'failed') this.#updated = { id, shown }
    return result
  }
}
