import { z } from 'zod'
import type { FetchJson } from '../fetch-json.ts'
import { ENDING_EVENTS, StreamStatus } from '../security-event.ts'
import type { SetError } from '../set-error.ts'
import {
  pushAuthorizationOf,
  type SharedSignalsConfig,
  type TransmitterConfig,
  transmitterToken,
} from '../shared-signals.ts'
import { isKeyAddress } from '../source-schema.ts'
import { wellKnownAddress } from '../well-known.ts'
import type { SendToTransmitter, TransmitterAnswer } from './transmitter-http.ts'
import { newState } from './verification-state.ts'

/** So many events are asked for at once. */
export const EVENTS_AT_MOST = 50

/** The names of the delivery methods: those of the RFCs, and those of drafts. */
const METHODS = {
  push: ['urn:ietf:rfc:8935', 'https://schemas.openid.net/secevent/risc/delivery-method/push'],
  poll: ['urn:ietf:rfc:8936', 'https://schemas.openid.net/secevent/risc/delivery-method/poll'],
} as const

const Metadata = z.looseObject({
  issuer: z.string(),
  configuration_endpoint: z.string(),
  status_endpoint: z.string().optional(),
  verification_endpoint: z.string().optional(),
  delivery_methods_supported: z.array(z.string()).optional(),
})
const Stream = z.looseObject({
  stream_id: z.string().min(1).max(256),
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]).optional(),
  delivery: z.looseObject({ method: z.string(), endpoint_url: z.string().optional() }),
  description: z.string().nullish(),
})
type Stream = z.infer<typeof Stream>
const Status = z.looseObject({ status: StreamStatus })
const Polled = z.object({
  sets: z.record(z.string().min(1).max(256), z.string()).default({}),
})
export type Polled = z.infer<typeof Polled>

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

/** The transmitter does not do what it is asked; the message is for operators. */
export class TransmitterFailure extends Error {
  readonly retryAfter: string | null

  constructor(message: string, retryAfter: string | null = null) {
    super(message)
    this.retryAfter = retryAfter
  }
}

export interface TransmitterOptions {
  config: SharedSignalsConfig
  transmitter: TransmitterConfig
  fetchJson: FetchJson
  send: SendToTransmitter
  signal: AbortSignal
}

/**
 * A transmitter's management of streams (Shared Signals Framework 1.0, section 8.1) and its polls (RFC 8936). The token
 * goes to the origin of its configuration and nowhere else.
 */
export class Transmitter {
  readonly #options: TransmitterOptions
  readonly #configurationUrl: string

  constructor(options: TransmitterOptions) {
    this.#options = options
    const { config, transmitter } = options
    this.#configurationUrl =
      transmitter.configurationUrl ?? wellKnownAddress(config.issuer, 'ssf-configuration')
  }

  /**
   * Finds the stream, or creates it where there is none.
   * @throws TransmitterFailure, or what the connection fails with
   */
  async setUp(): Promise<EventStream> {
    const { config, transmitter, fetchJson } = this.#options
    const metadata = readAs(Metadata, await fetchJson(this.#configurationUrl), 'its configuration')
    if (metadata.issuer !== config.issuer)
      throw new TransmitterFailure('The configuration is of another issuer.')
    const { configuration_endpoint, verification_endpoint, delivery_methods_supported } = metadata
    const found = await this.#find(configuration_endpoint)
    const stream = found ?? (await this.#create(configuration_endpoint, delivery_methods_supported))
    // Section 8.1.1.1: must be checked.
    if (stream.iss !== config.issuer) throw new TransmitterFailure('The stream is of another issuer (iss).')
    if (stream.aud !== undefined && !overlap(stream.aud, config.audience))
      throw new TransmitterFailure('The stream is for an audience (aud) that the entry does not name.')
    return {
      id: stream.stream_id,
      pollUrl: transmitter.delivery === 'poll' ? pollUrlOf(stream) : null,
      status:
        metadata.status_endpoint === undefined ? null : await this.#status(metadata.status_endpoint, stream),
      verificationUrl: verification_endpoint ?? null,
    }
  }

  /** Asks for a verification event with a state of ours (section 8.1.4.2). */
  async requestVerification({ id, verificationUrl }: EventStream): Promise<void> {
    if (verificationUrl === null) return
    const state = newState(transmitterToken(this.#options.transmitter))
    await this.#ask('the verification', 'POST', verificationUrl, { body: { stream_id: id, state } })
  }

  /**
   * Tells what has become of the events before, and waits for more (RFC 8936, section 2.4). Where more come than were
   * asked for, the rest is left: it is not acknowledged, so it comes again.
   */
  async poll(url: string, { ack, setErrs }: PollReport): Promise<Polled> {
    const body = { ack, setErrs, maxEvents: EVENTS_AT_MOST, returnImmediately: false }
    const { json } = await this.#ask('a poll', 'POST', url, { body, isLongPoll: true })
    const { sets } = readAs(Polled, json, 'a poll')
    return { sets: Object.fromEntries(Object.entries(sets).slice(0, EVENTS_AT_MOST)) }
  }

  async #find(configurationEndpoint: string): Promise<Stream | null> {
    const { status, json } = await this.#ask('its streams', 'GET', configurationEndpoint, { besides: [404] })
    if (status === 404) return null
    const streams = readAs(z.union([z.array(Stream).max(1_000), Stream]), json, 'its streams')
    return ownStream(Array.isArray(streams) ? streams : [streams], this.#options)
  }

  async #create(configurationEndpoint: string, supported: readonly string[] | undefined): Promise<Stream> {
    const body = newStream(this.#options, supported)
    const { json } = await this.#ask('a new stream', 'POST', configurationEndpoint, { body })
    return readAs(Stream, json, 'a new stream')
  }

  async #status(statusEndpoint: string, { stream_id }: Stream): Promise<EventStream['status']> {
    const url = new URL(statusEndpoint)
    url.searchParams.set('stream_id', stream_id)
    const { json } = await this.#ask("the stream's status", 'GET', url.href, {})
    return readAs(Status, json, "the stream's status").status
  }

  async #ask(
    what: string,
    method: 'GET' | 'POST',
    url: string,
    { body, isLongPoll = false, besides = [] }: { body?: unknown; isLongPoll?: boolean; besides?: number[] },
  ): Promise<TransmitterAnswer> {
    const { transmitter, send, signal } = this.#options
    if (!isKeyAddress(url) || new URL(url).origin !== new URL(this.#configurationUrl).origin)
      throw new TransmitterFailure(`The address for ${what} is at another origin: nothing was sent there.`)
    const token = transmitterToken(transmitter)
    const answer = await send({ method, url, token, body, isLongPoll, signal })
    const isGood = (answer.status >= 200 && answer.status < 300) || besides.includes(answer.status)
    if (isGood) return answer
    throw new TransmitterFailure(`Asked for ${what}, it answered ${answer.status}.`, answer.retryAfter)
  }
}

function readAs<T extends z.ZodType>(schema: T, json: unknown, what: string): z.infer<T> {
  const { data, success } = schema.safeParse(json)
  if (!success) throw new TransmitterFailure(`Asked for ${what}, it answered with something else.`)
  return data
}

function overlap(one: string | string[], other: string | string[]): boolean {
  return [one].flat().some((audience) => [other].flat().includes(audience))
}

function pollUrlOf({ delivery: { endpoint_url } }: Stream): string {
  if (endpoint_url === undefined) throw new TransmitterFailure('The stream has no address to poll.')
  return endpoint_url
}

const descriptionOf = (name: string) => `Curfew (${name})`

/** The stream that is ours: by where it pushes to, or by its description; that one transmitters need not keep. */
function ownStream(
  streams: readonly Stream[],
  { config, transmitter }: Pick<TransmitterOptions, 'config' | 'transmitter'>,
): Stream | null {
  const methods: readonly string[] = METHODS[transmitter.delivery]
  const alike = streams.filter(({ delivery }) => methods.includes(delivery.method))
  if (transmitter.delivery === 'push')
    return alike.find(({ delivery }) => delivery.endpoint_url === transmitter.pushUrl) ?? null
  const [only, ...others] = alike
  const described = alike.find(({ description }) => description === descriptionOf(config.name))
  return described ?? (only && others.length === 0 && !only.description ? only : null)
}

function newStream(
  { config, transmitter: { delivery, pushUrl } }: Pick<TransmitterOptions, 'config' | 'transmitter'>,
  supported: readonly string[] | undefined,
): object {
  const method = METHODS[delivery].find((name) => supported?.includes(name)) ?? METHODS[delivery][0]
  const authorization = pushAuthorizationOf(config)
  return {
    delivery: {
      method,
      ...(pushUrl === undefined ? {} : { endpoint_url: pushUrl }),
      ...(pushUrl === undefined || authorization === null ? {} : { authorization_header: authorization }),
    },
    events_requested: config.events ?? ENDING_EVENTS,
    description: descriptionOf(config.name),
  }
}
