import type { Log } from '../../../base/log.ts'
import type { StreamStatus } from '../security-event.ts'
import { OptionalRequests } from './optional-requests.ts'
import { chooseStream, isDeliveredOtherwise, isFor, isMarked, newStream } from './own-streams.ts'
import { StreamUpdates } from './stream-updates.ts'
import { type PollReport, TransmitterApi, type TransmitterApiOptions } from './transmitter-api.ts'
import { type Metadata, type Polled, type Stream, TransmitterFailure } from './transmitter-responses.ts'
import { newState, stateKeyOf } from './verification-state.ts'

/** An existing stream that may be used. */
export interface FoundStream {
  id: string
  /** Null if events are pushed. */
  pollUrl: string | null
  verificationUrl: string | null
  /** As the transmitter shows it. */
  shown: Stream
  metadata: Metadata
}

export interface TransmitterOptions extends TransmitterApiOptions {
  log: Pick<Log, 'warn'>
}

/** Finds or creates a source's stream at its transmitter, keeps it in line with the entry, and polls it. */
export class Transmitter {
  readonly #options: TransmitterOptions
  readonly #api: TransmitterApi
  readonly #optional: OptionalRequests
  readonly #updates: StreamUpdates
  /** Id of the stream that this process created, until another one is in use and this one is deleted. */
  #createdId: string | null = null
  /** The stream that this process created at a transmitter that does not show streams. */
  #hidden: Stream | null = null

  constructor(options: TransmitterOptions) {
    this.#options = options
    this.#api = new TransmitterApi(options)
    this.#optional = new OptionalRequests({ ...options, name: options.config.name })
    this.#updates = new StreamUpdates({ ...options, api: this.#api, optional: this.#optional })
  }

  /**
   * Finds the stream, or creates one. Other replicas may create streams at the same time; when called again later, all
   * replicas find the same one.
   * @throws TransmitterFailure, or the error of the connection
   */
  async find(): Promise<FoundStream> {
    const { config, transmitter } = this.#options
    const metadata = await this.#api.metadata()
    const shown = await this.#findOrCreate(metadata)
    // Section 8.1.1.1 requires this check.
    if (shown.iss !== config.issuer)
      throw new TransmitterFailure('The stream has another issuer than the entry (iss).')
    if (!isFor(shown, config))
      throw new TransmitterFailure('The stream has another audience than the entry (aud).')
    const pollUrl = transmitter.delivery === 'poll' ? pollUrlOf(shown) : null
    const verificationUrl = metadata.verification_endpoint ?? null
    return { id: shown.stream_id, pollUrl, verificationUrl, shown, metadata }
  }

  /**
   * Makes the requests that a stream works without: deletes an unused stream that this process created (section
   * 8.1.1.5), updates this one to match the entry, and reads its status. Rejects only if aborted.
   * @returns whether no request must be repeated; the status is null if it is unknown
   */
  async settle(found: FoundStream): Promise<{ status: StreamStatus | null; isSettled: boolean }> {
    const { shown, metadata } = found
    const { configuration_endpoint: url, status_endpoint } = metadata
    const isAlone = await this.#deleteOther(url, shown)
    const isUpdated = await this.#updates.apply(url, shown)
    const status = status_endpoint ? await this.#status(status_endpoint, found.id) : null
    return { status, isSettled: isAlone && isUpdated }
  }

  /** Requests a verification event with one of Curfew's states (section 8.1.4.2). @throws like `find` */
  async requestVerification({ id, verificationUrl }: FoundStream): Promise<void> {
    if (verificationUrl === null) return
    const key = await stateKeyOf(this.#options)
    await this.#api.verify(verificationUrl, id, newState(id, key))
  }

  /** @throws like `find` */
  poll(url: string, report: PollReport): Promise<Polled | null> {
    return this.#api.poll(url, report)
  }

  /** Sends the last report to a stream that is no longer used. Rejects only if aborted. */
  async report({ id, pollUrl }: FoundStream, report: PollReport): Promise<void> {
    if (pollUrl === null || report.ack.length + Object.keys(report.setErrs).length === 0) return
    const message = 'could not acknowledge the last events of an unused stream'
    await this.#optional.attempt(message, id, () => this.#api.report(pollUrl, report))
  }

  async #findOrCreate(metadata: Metadata): Promise<Stream> {
    const { configuration_endpoint: url } = metadata
    const { streamId } = this.#options.transmitter
    if (streamId !== undefined) return this.#named(url, streamId)
    const choice = { createdId: this.#createdId, isOnlyOne: false }
    const streams = await this.#api.streams(url)
    if (streams === null) return this.#hidden ?? this.#create(metadata)
    const found = chooseStream(streams, this.#options, choice)
    if (found) return found
    // A list may be outdated or incomplete.
    const created = this.#createdId === null ? null : await this.#api.stream(url, this.#createdId)
    return created === null || created === 'hidden' ? this.#create(metadata) : created
  }

  /** The stream of `streamId`. It is never created. */
  async #named(url: string, id: string): Promise<Stream> {
    const stream = await this.#api.stream(url, id)
    if (stream === 'hidden') return this.#assumed(id)
    if (!stream)
      throw new TransmitterFailure('The transmitter has no stream with the id of the entry (streamId).')
    if (isDeliveredOtherwise(stream, this.#options))
      throw new TransmitterFailure('The stream of the entry (streamId) has another delivery method.')
    return stream
  }

  /** The stream of `streamId` at a transmitter that does not show it. The entry states everything but the poll address. */
  #assumed(id: string): Stream {
    const { config, transmitter } = this.#options
    const { pushUrl } = transmitter
    if (pushUrl === undefined)
      throw new TransmitterFailure('The transmitter does not show its streams, so they cannot be polled.')
    return { stream_id: id, iss: config.issuer, delivery: { method: 'push', endpoint_url: pushUrl } }
  }

  async #create({ configuration_endpoint: url, delivery_methods_supported }: Metadata): Promise<Stream> {
    const created = await this.#api.create(url, newStream(this.#options, delivery_methods_supported))
    this.#createdId = created?.stream_id ?? null
    if (created) this.#updates.noteCreated(created)
    const choice = { createdId: this.#createdId, isOnlyOne: created === null }
    const streams = await this.#api.streams(url)
    if (streams === null) this.#hidden = created
    const chosen = chooseStream(streams ?? [], this.#options, choice) ?? created
    if (!chosen)
      throw new TransmitterFailure(
        'The transmitter allows no further stream, and none of the existing ones belongs to this source.',
      )
    const isShown = streams !== null && isMarked(chosen, this.#options)
    if (chosen.stream_id === this.#createdId && !isShown) this.#warnHidden(chosen)
    return chosen
  }

  #warnHidden({ stream_id: streamId }: Stream): void {
    const details = { source: this.#options.config.name, streamId }
    const message =
      "the transmitter does not show which streams are Curfew's, so each start creates another; set transmitter.streamId"
    this.#options.log.warn(details, message)
  }

  /** Deletes the stream that this process created if all replicas use one of another replica. */
  async #deleteOther(url: string, used: Stream): Promise<boolean> {
    const id = this.#createdId
    if (id === null || id === used.stream_id) return true
    const message = 'could not delete an unused stream'
    const result = await this.#optional.attempt(message, id, () => this.#api.delete(url, id))
    if (result !== 'failed') this.#createdId = null
    return result !== 'failed'
  }

  async #status(url: string, id: string): Promise<StreamStatus | null> {
    let status: StreamStatus | null = null
    await this.#optional.attempt('could not read the status of the stream', id, async () => {
      status = await this.#api.status(url, id)
    })
    return status
  }
}

function pollUrlOf({ delivery: { endpoint_url } }: Stream): string {
  if (endpoint_url === undefined) throw new TransmitterFailure('The stream has no polling address.')
  return endpoint_url
}
