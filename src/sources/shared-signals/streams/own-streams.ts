import { pushAuthorizationOf, type SharedSignalsConfig, type TransmitterConfig } from '../entry.ts'
import { ENDING_EVENTS } from '../security-event.ts'
import type { Stream } from './transmitter-responses.ts'

/** The names of the delivery methods, in the RFCs and in drafts. */
const METHODS = {
  push: ['urn:ietf:rfc:8935', 'https://schemas.openid.net/secevent/risc/delivery-method/push'],
  poll: ['urn:ietf:rfc:8936', 'https://schemas.openid.net/secevent/risc/delivery-method/poll'],
} as const

/** The owner of streams: a source with a transmitter. */
export interface StreamOwner {
  config: SharedSignalsConfig
  transmitter: TransmitterConfig
}

const descriptionOf = (name: string) => `Curfew (${name})`

/** Whether a stream has the entry's issuer and, if it shows an audience, one of the entry's audiences. */
export function isFor({ iss, aud }: Stream, { issuer, audience }: SharedSignalsConfig): boolean {
  return iss === issuer && (aud === undefined || [aud].flat().some((one) => [audience].flat().includes(one)))
}

/**
 * Whether a stream shows the mark of this source's streams: its push address or, with polling, its description.
 * Transmitters need not keep the description.
 */
export function isMarked(
  { delivery: { endpoint_url }, description }: Stream,
  { config, transmitter: { delivery, pushUrl } }: StreamOwner,
): boolean {
  return delivery === 'push' ? endpoint_url === pushUrl : description === descriptionOf(config.name)
}

/**
 * This source's streams in a fixed order, so that all replicas use the same one, the first. The stream that this
 * process created is included even without a mark.
 * @param createdId the stream that this process created; null if none
 */
export function ownStreams(
  streams: readonly Stream[],
  owner: StreamOwner,
  createdId: string | null,
): Stream[] {
  return streams
    .filter(
      (stream) => stream.stream_id === createdId || (hasDeliveryOf(stream, owner) && isMarked(stream, owner)),
    )
    .sort((a, b) => (a.stream_id < b.stream_id ? -1 : 1))
}

/** The only stream to poll, if it has no description, which could mark it as another receiver's; otherwise null. */
export function loneStream(streams: readonly Stream[], owner: StreamOwner): Stream | null {
  const [only, ...others] = streams.filter((stream) => hasDeliveryOf(stream, owner))
  const isLone = owner.transmitter.delivery === 'poll' && others.length === 0 && !only?.description
  return (isLone && only) || null
}

/** Whether a stream certainly uses the other delivery method. Some transmitters have their own names for both. */
export function isDeliveredOtherwise({ delivery }: Stream, { transmitter }: StreamOwner): boolean {
  const others: readonly string[] = METHODS[transmitter.delivery === 'poll' ? 'push' : 'poll']
  return others.includes(delivery.method)
}

function hasDeliveryOf({ delivery: { method } }: Stream, { transmitter }: StreamOwner): boolean {
  const methods: readonly string[] = METHODS[transmitter.delivery]
  return methods.includes(method)
}

/**
 * The stream to use; null if there is none.
 * @param isOnlyOne whether the transmitter allows no further stream. Then an unmarked stream is used, too, and a stream
 * of another issuer or audience is returned so that the caller can report it.
 */
export function chooseStream(
  streams: readonly Stream[],
  owner: StreamOwner,
  { createdId, isOnlyOne }: { createdId: string | null; isOnlyOne: boolean },
): Stream | null {
  const forUs = streams.filter((stream) => stream.stream_id === createdId || isFor(stream, owner.config))
  if (!isOnlyOne) return ownStreams(forUs, owner, createdId)[0] ?? null
  for (const candidates of [forUs, streams]) {
    const found = ownStreams(candidates, owner, createdId)[0] ?? loneStream(candidates, owner)
    if (found) return found
  }
  return null
}

/** The event types that an entry requests. */
export function wantedEvents({ events }: SharedSignalsConfig): readonly string[] {
  return events ?? ENDING_EVENTS
}

/**
 * Whether a stream requests other events than the entry (section 8.1.1), if the transmitter shows it. Unsupported
 * events are ignored because the transmitter may remove them from the request.
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
 * The body of the request that creates a stream (section 8.1.1.1).
 * @param supported the delivery methods of the transmitter, if it lists them
 */
export function newStream(
  { config, transmitter: { delivery, pushUrl } }: StreamOwner,
  supported: readonly string[] | null | undefined,
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
