import { isSecureAddress } from '../../../base/config-formats.ts'
import { hasCode } from '../../../base/errors.ts'
import type { FetchJson } from '../../token/fetch-json.ts'
import type { SetError } from '../../token/set-error.ts'
import { wellKnownAddress } from '../../token/well-known.ts'
import type { StreamStatus } from '../security-event.ts'
import type { StreamOwner } from './own-streams.ts'
import type { TransmitterAccess } from './transmitter-access.ts'
import {
  PollTimeout,
  type SendToTransmitter,
  type TransmitterRequest,
  type TransmitterResponse,
} from './transmitter-http.ts'
import {
  Metadata,
  Polled,
  readAs,
  Status,
  Stream,
  Streams,
  TransmitterFailure,
} from './transmitter-responses.ts'

/** Maximum number of events per poll. */
export const MAX_EVENTS = 50

/** The results of earlier events, sent with a poll (RFC 8936, section 2.2). */
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
  /** Accepted statuses in addition to 2xx. */
  accepted?: number[]
}

/**
 * The requests to a transmitter: stream management (Shared Signals Framework 1.0, section 8.1) and polls (RFC 8936).
 * The token is sent only to the origin of the transmitter's configuration. All methods reject with TransmitterFailure
 * or the error of the connection.
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

  /** The transmitter's configuration (section 7.1), which must have the entry's issuer. */
  async metadata(): Promise<Metadata> {
    const { config, fetchJson } = this.#options
    const metadata = readAs(Metadata, await fetchJson(this.#configurationUrl).catch(naming), 'configuration')
    if (metadata.issuer === config.issuer) return metadata
    throw new TransmitterFailure('The configuration is from another issuer.')
  }

  /** All streams that the transmitter shows (section 8.1.1.2); null if it shows none of them (authentik: 405). */
  async streams(url: string): Promise<Stream[] | null> {
    const { status, json } = await this.#ask('list streams', 'GET', url, { accepted: [404, 405] })
    if (status === 405) return null
    return status === 404 ? [] : readAs(Streams, json(), 'list streams')
  }

  /** The stream with this id; null if there is none. Some transmitters return a list here, too. */
  async stream(url: string, id: string): Promise<Stream | 'hidden' | null> {
    const { status, json } = await this.#ask('read stream', 'GET', withStream(url, id), {
      accepted: [404, 405],
    })
    if (status === 405) return 'hidden'
    const shown = status === 404 ? [] : readAs(Streams, json(), 'read stream')
    return shown.find(({ stream_id }) => stream_id === id) ?? null
  }

  /** Creates a stream. Null if the transmitter allows no further one (section 8.1.1.1: 409). */
  async create(url: string, body: object): Promise<Stream | null> {
    const { status, json } = await this.#ask('create stream', 'POST', url, { body, accepted: [409] })
    return status === 409 ? null : readAs(Stream, json(), 'create stream')
  }

  /** Changes these members of a stream (section 8.1.1.3). */
  async update(url: string, id: string, members: object): Promise<void> {
    await this.#ask('update stream', 'PATCH', url, { body: { stream_id: id, ...members } })
  }

  /** Section 8.1.1.5. A missing stream counts as deleted. */
  async delete(url: string, id: string): Promise<void> {
    await this.#ask('delete stream', 'DELETE', withStream(url, id), { accepted: [404] })
  }

  async status(url: string, id: string): Promise<StreamStatus> {
    const { json } = await this.#ask('read stream status', 'GET', withStream(url, id), {})
    return readAs(Status, json(), 'read stream status').status
  }

  /** Requests a verification event (section 8.1.4.2). */
  async verify(url: string, id: string, state: string): Promise<void> {
    await this.#ask('request verification', 'POST', url, { body: { stream_id: id, state } })
  }

  /**
   * Reports the results of earlier events, and waits for more (RFC 8936, section 2.4). Events above the maximum are
   * dropped: they are not acknowledged, so they come again.
   * @returns null after a timeout: whether the transmitter read the report is unknown
   */
  async poll(url: string, { ack, setErrs }: PollReport): Promise<Polled | null> {
    const body = { ack, setErrs, maxEvents: MAX_EVENTS, returnImmediately: false }
    try {
      const { json } = await this.#ask('poll', 'POST', url, { body, isLongPoll: true })
      const { sets } = readAs(Polled, json(), 'poll')
      return { sets: sets.slice(0, MAX_EVENTS) }
    } catch (error) {
      if (error instanceof PollTimeout) return null
      throw error
    }
  }

  /** Reports the results of earlier events without requesting more (RFC 8936, section 2.4: acknowledge only). */
  async report(url: string, { ack, setErrs }: PollReport): Promise<void> {
    const body = { ack, setErrs, maxEvents: 0, returnImmediately: true }
    await this.#ask('report events', 'POST', url, { body })
  }

  async #ask(
    operation: string,
    method: TransmitterRequest['method'],
    url: string,
    { body, isLongPoll = false, accepted = [] }: Question,
  ): Promise<TransmitterResponse> {
    if (!isSecureAddress(url) || new URL(url).origin !== new URL(this.#configurationUrl).origin)
      throw new TransmitterFailure(
        `The address has another origin than the configuration, so no request was sent (${operation}).`,
      )
    const { signal } = this.#options
    const response = await this.#send({ method, url, body, isLongPoll, signal })
    const { status } = response
    if ((status >= 200 && status < 300) || accepted.includes(status)) return response
    throw new TransmitterFailure(`The transmitter returned the status ${status} (${operation}).`, response)
  }

  /** If the transmitter rejects the token, repeats the request once with another one (RFC 6750, section 3.1). */
  async #send(request: Omit<TransmitterRequest, 'authorization'>): Promise<TransmitterResponse> {
    const { access, send } = this.#options
    const token = await access.token()
    const response = await send({ ...request, authorization: `Bearer ${token}` })
    if (response.status !== 401 || !access.renew(token)) return response
    return send({ ...request, authorization: `Bearer ${await access.token()}` })
  }
}

/** Names the operation in the error of a response with another status than 200. */
function naming(error: unknown): never {
  if (!hasCode(error, 'CURFEW_FETCH_FAILED')) throw error
  const { message } = error as Error
  throw new TransmitterFailure(`${message.replace(/\.$/, '')} (read configuration).`)
}

function withStream(address: string, id: string): string {
  const url = new URL(address)
  url.searchParams.set('stream_id', id)
  return url.href
}
