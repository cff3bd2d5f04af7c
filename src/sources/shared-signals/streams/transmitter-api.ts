import { isSecureAddress } from '../../../base/config-forms.ts'
import type { FetchJson } from '../../token/fetch-json.ts'
import type { SetError } from '../../token/set-error.ts'
import { wellKnownAddress } from '../../token/well-known.ts'
import type { StreamStatus } from '../security-event.ts'
import type { StreamOwner } from './own-streams.ts'
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

/** So many events are asked for at once. */
export const EVENTS_AT_MOST = 50

/** What is told with a poll of those events that came before (RFC 8936, section 2.2). */
export interface PollReport {
  ack: string[]
  setErrs: Record<string, SetError>
}

export interface TransmitterApiOptions extends StreamOwner {
  fetchJson: FetchJson
  send: SendToTransmitter
  access: TransmitterAccess
  signal: AbortSignal
}

interface Question {
  body?: unknown
  isLongPoll?: boolean
  /** Statuses that are answers, too. */
  besides?: number[]
}

/**
 * The requests to a transmitter, one by one: stream management (Shared Signals Framework 1.0, section 8.1) and polls
 * (RFC 8936). The token goes to the origin of its configuration and nowhere else. All reject with TransmitterFailure, or
 * with what the connection fails with.
 */
export class TransmitterApi {
  readonly #options: TransmitterApiOptions
  readonly #configurationUrl: string

  constructor(options: TransmitterApiOptions) {
    this.#options = options
    const { config, transmitter } = options
    this.#configurationUrl =
      transmitter.configurationUrl ?? wellKnownAddress(config.issuer, 'ssf-configuration')
  }

  /** Its configuration (section 7.1), which must be of the issuer that the entry names. */
  async metadata(): Promise<Metadata> {
    const { config, fetchJson } = this.#options
    const metadata = readAs(Metadata, await fetchJson(this.#configurationUrl), 'its configuration')
    if (metadata.issuer === config.issuer) return metadata
    throw new TransmitterFailure('The configuration is of another issuer.')
  }

  /** All that it shows (section 8.1.1.2). */
  async streams(url: string): Promise<Stream[]> {
    const { status, json } = await this.#ask('its streams', 'GET', url, { besides: [404] })
    return status === 404 ? [] : readAs(Streams, json(), 'its streams')
  }

  /** One by its id; null where there is none. Some show a list also then. */
  async stream(url: string, id: string): Promise<Stream | null> {
    const { status, json } = await this.#ask('a stream', 'GET', withStream(url, id), { besides: [404] })
    const shown = status === 404 ? [] : readAs(Streams, json(), 'a stream')
    return shown.find(({ stream_id }) => stream_id === id) ?? null
  }

  /** Null where there is one already, and it allows no other (section 8.1.1.1: 409). */
  async create(url: string, body: object): Promise<Stream | null> {
    const { status, json } = await this.#ask('a new stream', 'POST', url, { body, besides: [409] })
    return status === 409 ? null : readAs(Stream, json(), 'a new stream')
  }

  /** Changes these members of a stream (section 8.1.1.3). */
  async update(url: string, id: string, members: object): Promise<void> {
    await this.#ask('a change of the stream', 'PATCH', url, { body: { stream_id: id, ...members } })
  }

  /** Section 8.1.1.5; one that is not there is deleted. */
  async delete(url: string, id: string): Promise<void> {
    await this.#ask('the deletion of a stream', 'DELETE', withStream(url, id), { besides: [404] })
  }

  async status(url: string, id: string): Promise<StreamStatus> {
    const { json } = await this.#ask("the stream's status", 'GET', withStream(url, id), {})
    return readAs(Status, json(), "the stream's status").status
  }

  /** Asks for a verification event (section 8.1.4.2). */
  async verify(url: string, id: string, state: string): Promise<void> {
    await this.#ask('the verification', 'POST', url, { body: { stream_id: id, state } })
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

  /** Tells what has become of the events before, and wants no more (RFC 8936, section 2.4: acknowledge only). */
  async report(url: string, { ack, setErrs }: PollReport): Promise<void> {
    const body = { ack, setErrs, maxEvents: 0, returnImmediately: true }
    await this.#ask('a report of events', 'POST', url, { body })
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

function withStream(address: string, id: string): string {
  const url = new URL(address)
  url.searchParams.set('stream_id', id)
  return url.href
}
