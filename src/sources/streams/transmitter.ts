import { isSecureAddress } from '../../config-forms.ts'
import type { Log } from '../../log.ts'
import type { FetchJson } from '../fetch-json.ts'
import type { StreamStatus } from '../security-event.ts'
import type { SetError } from '../set-error.ts'
import { transmitterSecret } from '../shared-signals.ts'
import { wellKnownAddress } from '../well-known.ts'
import { asksForOthers, newStream, ownStreams, type StreamOwner, wantedEvents } from './own-streams.ts'
import type { TransmitterAccess } from './transmitter-access.ts'
import {
  Metadata,
  Polled,
  readAs,
  Status,
  Stream,
  Streams,
  TransmitterFailure,
} from './transmitter-answers.ts'
import {
  PollTimeout,
  type SendToTransmitter,
  type TransmitterAnswer,
  type TransmitterRequest,
} from './transmitter-http.ts'
import { newState } from './verification-state.ts'

/** So many events are asked for at once. */
export const EVENTS_AT_MOST = 50

/** What is told with a poll of those events that came before (RFC 8936, section 2.2). */
export interface PollReport {
  ack: string[]
  setErrs: Record<string, SetError>
}

/** A stream that is set up. */
export interface EventStream {
  id: string
  status: StreamStatus | null
  /** Null where events are pushed. */
  pollUrl: string | null
  verificationUrl: string | null
}

export interface TransmitterOptions extends StreamOwner {
  fetchJson: FetchJson
  send: SendToTransmitter
  access: TransmitterAccess
  log: Pick<Log, 'warn'>
  signal: AbortSignal
}

interface Question {
  body?: unknown
  isLongPoll?: boolean
  /** Statuses that are answers, too. */
  besides?: number[]
}

/**
 * A transmitter's management of streams (Shared Signals Framework 1.0, section 8.1) and its polls (RFC 8936). The token
 * goes to the origin of its configuration and nowhere else.
 */
export class Transmitter {
  readonly #options: TransmitterOptions
  readonly #configurationUrl: string
  /** The stream that was created here, by its id, until it is known that another one is used. */
  #createdId: string | null = null

  constructor(options: TransmitterOptions) {
    this.#options = options
    const { config, transmitter } = options
    this.#configurationUrl =
      transmitter.configurationUrl ?? wellKnownAddress(config.issuer, 'ssf-configuration')
  }

  /**
   * Finds the stream, or creates it where there is none, and has it ask for the events that the entry wants. Other
   * replicas may do so at the same time; asked again a while later, all of them have the same one, and have deleted
   * others that they created.
   * @throws TransmitterFailure, or what the connection fails with
   */
  async setUp(): Promise<EventStream> {
    const { config, transmitter, fetchJson } = this.#options
    const metadata = readAs(Metadata, await fetchJson(this.#configurationUrl), 'its configuration')
    if (metadata.issuer !== config.issuer)
      throw new TransmitterFailure('The configuration is of another issuer.')
    const { configuration_endpoint, verification_endpoint = null, status_endpoint = null } = metadata
    const stream = await this.#findOrCreate(metadata)
    // Section 8.1.1.1: must be checked.
    if (stream.iss !== config.issuer) throw new TransmitterFailure('The stream is of another issuer (iss).')
    if (stream.aud !== undefined && !overlap(stream.aud, config.audience))
      throw new TransmitterFailure('The stream is for an audience (aud) that the entry does not name.')
    const pollUrl = transmitter.delivery === 'poll' ? pollUrlOf(stream) : null
    await this.#deleteOther(configuration_endpoint, stream)
    await this.#update(configuration_endpoint, stream)
    const status = status_endpoint === null ? null : await this.#status(status_endpoint, stream)
    return { id: stream.stream_id, status, pollUrl, verificationUrl: verification_endpoint }
  }

  /** Asks for a verification event with a state of ours (section 8.1.4.2). */
  async requestVerification({ id, verificationUrl }: EventStream): Promise<void> {
    if (verificationUrl === null) return
    const state = newState(transmitterSecret(this.#options.transmitter))
    await this.#ask('the verification', 'POST', verificationUrl, { body: { stream_id: id, state } })
  }

  /**
   * Tells what has become of the events before, and waits for more (RFC 8936, section 2.4). Where more come than were
   * asked for, the rest is left: it is not acknowledged, so it comes again.
   * @returns null where the transmitter has held the poll for too long: whether it has read the report is not known
   */
  async poll(url: string, { ack, setErrs }: PollReport): Promise<Polled | null> {
    const body = { ack, setErrs, maxEvents: EVENTS_AT_MOST, returnImmediately: false }
    try {
      const { json } = await this.#ask('a poll', 'POST', url, { body, isLongPoll: true })
      const { sets } = readAs(Polled, json(), 'a poll')
      return { sets: sets.slice(0, EVENTS_AT_MOST) }
    } catch (error) {
      if (error instanceof PollTimeout) return null
      throw error
    }
  }

  async #findOrCreate({
    configuration_endpoint: url,
    delivery_methods_supported,
  }: Metadata): Promise<Stream> {
    const [found] = await this.#ownStreams(url)
    if (found) return found
    const created = await this.#create(url, delivery_methods_supported)
    this.#createdId = created?.stream_id ?? null
    const [chosen = created] = await this.#ownStreams(url)
    if (chosen) return chosen
    throw new TransmitterFailure('It allows no further stream, and none of those that are there is ours.')
  }

  async #ownStreams(url: string): Promise<Stream[]> {
    const { status, json } = await this.#ask('its streams', 'GET', url, { besides: [404] })
    const streams = status === 404 ? [] : readAs(Streams, json(), 'its streams')
    return ownStreams(streams, this.#options, this.#createdId)
  }

  /** Null where there is one already, and it allows no other (section 8.1.1.1: 409). */
  async #create(url: string, supported: readonly string[] | undefined): Promise<Stream | null> {
    const body = newStream(this.#options, supported)
    const { status, json } = await this.#ask('a new stream', 'POST', url, { body, besides: [409] })
    return status === 409 ? null : readAs(Stream, json(), 'a new stream')
  }

  /** Another replica has created a stream, too, and all use that one (section 8.1.1.5). */
  async #deleteOther(url: string, used: Stream): Promise<void> {
    if (this.#createdId === null || this.#createdId === used.stream_id) return
    const address = withStream(url, this.#createdId)
    await this.#unlessRefused('a stream that is not used could not be deleted', () =>
      this.#ask('the deletion of a stream', 'DELETE', address, { besides: [404] }),
    )
    this.#createdId = null
  }

  /** It was created for other events, before the entry was changed (section 8.1.1.3). */
  async #update(url: string, stream: Stream): Promise<void> {
    const events = wantedEvents(this.#options.config)
    if (!asksForOthers(stream, events)) return
    const body = { stream_id: stream.stream_id, events_requested: events }
    await this.#unlessRefused('the stream asks for other events than the entry wants', () =>
      this.#ask('other events', 'PATCH', url, { body }),
    )
  }

  async #status(url: string, { stream_id }: Stream): Promise<StreamStatus> {
    const { json } = await this.#ask("the stream's status", 'GET', withStream(url, stream_id), {})
    return readAs(Status, json(), "the stream's status").status
  }

  /** The stream works without; a refusal is for the log. */
  async #unlessRefused(message: string, ask: () => Promise<unknown>): Promise<void> {
    const { config, log } = this.#options
    try {
      await ask()
    } catch (error) {
      if (!(error instanceof TransmitterFailure) || !error.isRefusal) throw error
      log.warn({ source: config.name, problem: error.message }, message)
    }
  }

  async #ask(
    what: string,
    method: TransmitterRequest['method'],
    url: string,
    { body, isLongPoll = false, besides = [] }: Question,
  ): Promise<TransmitterAnswer> {
    if (!isSecureAddress(url) || new URL(url).origin !== new URL(this.#configurationUrl).origin)
      throw new TransmitterFailure(`The address for ${what} is at another origin: nothing was sent there.`)
    const { signal } = this.#options
    const answer = await this.#send({ method, url, body, isLongPoll, signal })
    const isGood = (answer.status >= 200 && answer.status < 300) || besides.includes(answer.status)
    if (isGood) return answer
    throw new TransmitterFailure(`Asked for ${what}, it answered ${answer.status}.`, answer)
  }

  /** Where the transmitter does not accept the token any more, once more with another one (RFC 6750, section 3.1). */
  async #send(request: Omit<TransmitterRequest, 'authorization'>): Promise<TransmitterAnswer> {
    const { access, send } = this.#options
    const token = await access.token()
    const answer = await send({ ...request, authorization: `Bearer ${token}` })
    if (answer.status !== 401 || !access.renew(token)) return answer
    return send({ ...request, authorization: `Bearer ${await access.token()}` })
  }
}

function overlap(one: string | string[], other: string | string[]): boolean {
  return [one].flat().some((audience) => [other].flat().includes(audience))
}

function withStream(address: string, id: string): string {
  const url = new URL(address)
  url.searchParams.set('stream_id', id)
  return url.href
}

function pollUrlOf({ delivery: { endpoint_url } }: Stream): string {
  if (endpoint_url === undefined) throw new TransmitterFailure('The stream has no address to poll.')
  return endpoint_url
}
