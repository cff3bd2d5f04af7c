import type { Log } from '../../../base/log.ts'
import type { StreamStatus } from '../security-event.ts'
import { OptionalRequests } from './optional-requests.ts'
import {
  chooseStream,
  isDeliveredOtherwise,
  isFor,
  isMarked,
  newStream,
  type StreamOwner,
} from './own-streams.ts'
import { StreamUpdates } from './stream-updates.ts'
import { type Metadata, type Polled, type Stream, TransmitterFailure } from './transmitter-answers.ts'
import { type PollReport, TransmitterApi, type TransmitterApiOptions } from './transmitter-api.ts'
import { newState, stateKeyOf } from './verification-state.ts'

/** A stream that is there, and may be used. */
export interface FoundStream {
  id: string
  /** Null where events are pushed. */
  pollUrl: string | null
  verificationUrl: string | null
  /** As the transmitter shows it. */
  shown: Stream
  metadata: Metadata
}

export interface TransmitterOptions extends TransmitterApiOptions {
  log: Pick<Log, 'warn'>
}

/** A source's stream at its transmitter: found, created, kept as the entry says, and polled. */
export class Transmitter {
  readonly #options: TransmitterOptions
  readonly #api: TransmitterApi
  readonly #optional: OptionalRequests
  readonly #updates: StreamUpdates
  /** The stream that was created here, by its id, until it is known that another one is used. */
  #createdId: string | null = null

  constructor(options: TransmitterOptions) {
    this.#options = options
    this.#api = new TransmitterApi(options)
    this.#optional = new OptionalRequests({ ...options, name: options.config.name })
    this.#updates = new StreamUpdates({ ...options, api: this.#api, optional: this.#optional })
  }

  /**
   * Finds the stream, or creates it where there is none. Other replicas may do so at the same time; asked again a while
   * later, all of them have the same one.
   * @throws TransmitterFailure, or what the connection fails with
   */
  async find(): Promise<FoundStream> {
    const { config, transmitter } = this.#options
    const metadata = await this.#api.metadata()
    const shown = await this.#findOrCreate(metadata)
    // Section 8.1.1.1: must be checked.
    if (shown.iss !== config.issuer) throw new TransmitterFailure('The stream is of another issuer (iss).')
    if (!isFor(shown, config))
      throw new TransmitterFailure('The stream is for an audience (aud) that the entry does not name.')
    const pollUrl = transmitter.delivery === 'poll' ? pollUrlOf(shown) : null
    const verificationUrl = metadata.verification_endpoint ?? null
    return { id: shown.stream_id, pollUrl, verificationUrl, shown, metadata }
  }

  /**
   * Does what a stream works without: deletes another one that was created here (section 8.1.1.5), has this one ask for
   * the events that the entry wants, and looks at its status. Rejects only when it was aborted.
   * @returns whether nothing is left to be tried again; the status is null where it is not known
   */
  async settle(found: FoundStream): Promise<{ status: StreamStatus | null; isSettled: boolean }> {
    const { shown, metadata } = found
    const { configuration_endpoint: url, status_endpoint } = metadata
    const isAlone = await this.#deleteOther(url, shown)
    const isUpdated = await this.#updates.apply(url, shown)
    const status = status_endpoint ? await this.#status(status_endpoint, found.id) : null
    return { status, isSettled: isAlone && isUpdated }
  }

  /** Asks for a verification event with a state of ours (section 8.1.4.2). @throws as `find` */
  async requestVerification({ id, verificationUrl }: FoundStream): Promise<void> {
    if (verificationUrl === null) return
    const key = await stateKeyOf(this.#options)
    await this.#api.verify(verificationUrl, id, newState(id, key))
  }

  /** @throws as `find` */
  poll(url: string, report: PollReport): Promise<Polled | null> {
    return this.#api.poll(url, report)
  }

  /** Sends the last report to a stream that is used no more. Rejects only when it was aborted. */
  async report({ id, pollUrl }: FoundStream, report: PollReport): Promise<void> {
    if (pollUrl === null || report.ack.length + Object.keys(report.setErrs).length === 0) return
    const message = 'the last events of a stream that is not used any more could not be acknowledged'
    await this.#optional.attempt(message, id, () => this.#api.report(pollUrl, report))
  }

  async #findOrCreate(metadata: Metadata): Promise<Stream> {
    const { configuration_endpoint: url } = metadata
    const { streamId } = this.#options.transmitter
    if (streamId !== undefined) return this.#named(url, streamId)
    const choice = { createdId: this.#createdId, isOnlyOne: false }
    const found = chooseStream(await this.#api.streams(url), this.#options, choice)
    if (found) return found
    // A list may lag behind, or show only some.
    const former = this.#createdId === null ? null : await this.#api.stream(url, this.#createdId)
    return former ?? this.#create(metadata)
  }

  /** It is used as it is; none is created. */
  async #named(url: string, id: string): Promise<Stream> {
    const stream = await this.#api.stream(url, id)
    if (!stream)
      throw new TransmitterFailure('There is no stream with the id that the entry names (streamId).')
    if (isDeliveredOtherwise(stream, this.#options))
      throw new TransmitterFailure('The stream that the entry names (streamId) is delivered in another way.')
    return stream
  }

  async #create({ configuration_endpoint: url, delivery_methods_supported }: Metadata): Promise<Stream> {
    const created = await this.#api.create(url, newStream(this.#options, delivery_methods_supported))
    this.#createdId = created?.stream_id ?? null
    if (created) this.#updates.noteCreated(created)
    const choice = { createdId: this.#createdId, isOnlyOne: created === null }
    const chosen = chooseStream(await this.#api.streams(url), this.#options, choice) ?? created
    if (!chosen)
      throw new TransmitterFailure('It allows no further stream, and none of those that are there is ours.')
    if (chosen.stream_id === this.#createdId) this.#warnUnlessMarked(chosen, this.#options)
    return chosen
  }

  #warnUnlessMarked(stream: Stream, owner: StreamOwner): void {
    if (isMarked(stream, owner)) return
    const details = { source: owner.config.name, streamId: stream.stream_id }
    const message =
      'the transmitter does not keep what a stream is known by: each start creates another one, until transmitter.streamId names one'
    this.#options.log.warn(details, message)
  }

  /** Another replica has created a stream, too, and all use that one. */
  async #deleteOther(url: string, used: Stream): Promise<boolean> {
    const id = this.#createdId
    if (id === null || id === used.stream_id) return true
    const message = 'a stream that is not used could not be deleted'
    const result = await this.#optional.attempt(message, id, () => this.#api.delete(url, id))
    if (result !== 'failed') this.#createdId = null
    return result !== 'failed'
  }

  async #status(url: string, id: string): Promise<StreamStatus | null> {
    let status: StreamStatus | null = null
    await this.#optional.attempt('the status of the stream is not known', id, async () => {
      status = await this.#api.status(url, id)
    })
    return status
  }
}

function pollUrlOf({ delivery: { endpoint_url } }: Stream): string {
  if (endpoint_url === undefined) throw new TransmitterFailure('The stream has no address to poll.')
  return endpoint_url
}
