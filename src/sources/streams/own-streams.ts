import { ENDING_EVENTS } from '../security-event.ts'
import { pushAuthorizationOf, type SharedSignalsConfig, type TransmitterConfig } from '../shared-signals.ts'
import type { Stream } from './transmitter-answers.ts'

/** The names of the delivery methods: those of the RFCs, and those of drafts. */
const METHODS = {
  push: ['urn:ietf:rfc:8935', 'https://schemas.openid.net/secevent/risc/delivery-method/push'],
  poll: ['urn:ietf:rfc:8936', 'https://schemas.openid.net/secevent/risc/delivery-method/poll'],
} as const

/** Whose streams they are: a source that names its transmitter. */
export interface StreamOwner {
  config: SharedSignalsConfig
  transmitter: TransmitterConfig
}

const descriptionOf = (name: string) => `Curfew (${name})`

/**
 * The streams that are ours, the one to use first: all replicas choose the same one. They are known by where they push
 * to, or by their description; that one transmitters need not keep.
 * @param createdId the stream that this process has created; null where it has not
 */
export function ownStreams(
  streams: readonly Stream[],
  { config, transmitter: { delivery, pushUrl } }: StreamOwner,
  createdId: string | null,
): Stream[] {
  const methods: readonly string[] = METHODS[delivery]
  const alike = streams.filter((stream) => methods.includes(stream.delivery.method))
  const isOurs = (stream: Stream) =>
    stream.stream_id === createdId ||
    (delivery === 'push'
      ? stream.delivery.endpoint_url === pushUrl
      : stream.description === descriptionOf(config.name))
  const ours = alike.filter(isOurs).sort((a, b) => (a.stream_id < b.stream_id ? -1 : 1))
  const [only, ...others] = alike
  const isLoneOne = delivery === 'poll' && only && others.length === 0 && !only.description
  return ours.length === 0 && isLoneOne ? [only] : ours
}

/** The types of events that an entry wants. */
export function wantedEvents({ events }: SharedSignalsConfig): readonly string[] {
  return events ?? ENDING_EVENTS
}

/**
 * Whether a stream asks for other events than the entry wants (section 8.1.1), as far as the transmitter tells it.
 * Events that it does not have are of no matter: it may leave them out of what was asked for.
 */
export function asksForOthers(
  { events_requested: requested, events_supported: supported }: Stream,
  wanted: readonly string[],
): boolean {
  if (!requested) return false
  const isKnown = (type: string) => supported?.includes(type) ?? true
  const isMissing = wanted.some((type) => isKnown(type) && !requested.includes(type))
  return isMissing || requested.some((type) => isKnown(type) && !wanted.includes(type))
}

/**
 * What a new stream is asked for by (section 8.1.1.1).
 * @param supported the delivery methods of the transmitter, where it tells them
 */
export function newStream(
  { config, transmitter: { delivery, pushUrl } }: StreamOwner,
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
    events_requested: wantedEvents(config),
    description: descriptionOf(config.name),
  }
}
