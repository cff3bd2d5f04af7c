import { pushAuthorizationOf, type SharedSignalsConfig, type TransmitterConfig } from '../entry.ts'
import { ENDING_EVENTS } from '../security-event.ts'
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

/** Whether a stream is of the issuer and for an audience of the entry, as far as it tells. */
export function isFor({ iss, aud }: Stream, { issuer, audience }: SharedSignalsConfig): boolean {
  return iss === issuer && (aud === undefined || [aud].flat().some((one) => [audience].flat().includes(one)))
}

/**
 * Whether a stream shows what ours are known by: where it pushes to, or its description. Transmitters need not keep the
 * latter.
 */
export function isMarked(
  { delivery: { endpoint_url }, description }: Stream,
  { config, transmitter: { delivery, pushUrl } }: StreamOwner,
): boolean {
  return delivery === 'push' ? endpoint_url === pushUrl : description === descriptionOf(config.name)
}

/**
 * The streams that are ours, the one to use first: all replicas choose the same one. One that was created here is ours
 * whatever it shows.
 * @param createdId the stream that this process has created; null where it has not
 */
export function ownStreams(
  streams: readonly Stream[],
  owner: StreamOwner,
  createdId: string | null,
): Stream[] {
  return streams
    .filter((stream) => stream.stream_id === createdId || (isAlike(stream, owner) && isMarked(stream, owner)))
    .sort((a, b) => (a.stream_id < b.stream_id ? -1 : 1))
}

/** The only stream to poll, where it shows nothing by which it would be of somebody else; else null. */
export function loneStream(streams: readonly Stream[], owner: StreamOwner): Stream | null {
  const [only, ...others] = streams.filter((stream) => isAlike(stream, owner))
  const isLone = owner.transmitter.delivery === 'poll' && others.length === 0 && !only?.description
  return (isLone && only) || null
}

/** Whether a stream is known to be delivered in the other way; some transmitters have names of their own for both. */
export function isDeliveredOtherwise({ delivery }: Stream, { transmitter }: StreamOwner): boolean {
  const others: readonly string[] = METHODS[transmitter.delivery === 'poll' ? 'push' : 'poll']
  return others.includes(delivery.method)
}

function isAlike({ delivery: { method } }: Stream, { transmitter }: StreamOwner): boolean {
  const methods: readonly string[] = METHODS[transmitter.delivery]
  return methods.includes(method)
}

/**
 * The stream to use; null where there is none.
 * @param isOnlyOne whether the transmitter allows no other one: then it may be one that shows nothing, and of one that is
 * not for us is to be told
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
