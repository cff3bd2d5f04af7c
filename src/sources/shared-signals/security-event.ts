import { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import { Identifier, type Reason } from '../../revocation/signal.ts'
import { instantOf } from '../common/instant.ts'
import type { TokenProfile } from '../token/verify-token.ts'

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'
const SSF = 'https://schemas.openid.net/secevent/ssf/event-type/'

/** The default event types that end sessions, and their reasons. */
const REASON_OF: Readonly<Record<string, Reason>> = {
  [`${CAEP}session-revoked`]: 'logout',
  [`${RISC}sessions-revoked`]: 'logout',
  [`${RISC}account-disabled`]: 'security',
  [`${RISC}account-purged`]: 'security',
  [`${RISC}account-credential-change-required`]: 'security',
  [`${RISC}credential-compromise`]: 'security',
}
export const ENDING_EVENTS: readonly string[] = Object.keys(REASON_OF)

/** The second one is from a draft; Google uses it. */
const VERIFICATION = new Set([`${SSF}verification`, `${RISC}verification`])
const STREAM_UPDATED = `${SSF}stream-updated`

const DAY_S = 24 * 60 * 60
/**
 * Older tokens are rejected: they do not expire, so they could be sent again after Curfew has forgotten their first
 * use.
 */
const OLDEST_S = 30 * DAY_S
const REMEMBERED_S = OLDEST_S + DAY_S

/** A parsed security event token (RFC 8417). */
export interface SecurityEvent {
  jti: string
  type: string
  /** The event's own members. */
  event: Readonly<Record<string, unknown>>
  /** The subject identifier; undefined if there is none. */
  subject: unknown
  /** ms since the epoch */
  occurredAt: number
  /** Until when a repetition must be recognized; ms since the epoch. */
  keepUntil: number
  claims: Readonly<Record<string, unknown>>
}

const Claims = z.looseObject({
  jti: Identifier.max(256),
  iat: z.number(),
  toe: z.number().optional(),
  events: z
    .record(z.string(), z.looseObject({}))
    .refine((events) => Object.keys(events).length === 1, 'expected one event'),
})

/**
 * The requirements for a token (RFC 8417; Shared Signals Framework 1.0). Without `sub` and `exp`, it cannot be mistaken
 * for an ID token or an access token. `JWT` is PyJWT's default, which authentik sends; some senders send no type.
 */
export const SECURITY_EVENT_TOKEN: TokenProfile<typeof Claims> = {
  name: 'a security event token with one event',
  types: [null, 'jwt', 'secevent+jwt'],
  forbidden: ['nonce', 'sub', 'exp'],
  claims: Claims,
}

/**
 * Reads the claims of a verified token. The subject is in `sub_id` or, as in drafts (Okta, Google), in the event
 * itself.
 * @param now ms since the epoch
 * @throws CURFEW_TOKEN_TIME_INVALID
 */
export function readSecurityEvent(claims: z.infer<typeof Claims>, now: number): SecurityEvent {
  const { jti, iat, toe, events } = claims
  if (iat * 1000 < now - OLDEST_S * 1000)
    throw new CurfewError('CURFEW_TOKEN_TIME_INVALID', 'The token is older than 30 days (iat).')
  const [[type, event] = ['', {}]] = Object.entries(events)
  return {
    jti,
    type,
    event,
    subject: claims.sub_id ?? event.subject,
    occurredAt: timeOf(event.event_timestamp, iat) ?? timeOf(toe, iat) ?? iat * 1000,
    keepUntil: Math.ceil((iat + REMEMBERED_S) * 1000),
    claims,
  }
}

/** Converts seconds, or milliseconds (Okta), to ms; null if this cannot be the time of an event reported at `iat`. */
function timeOf(value: unknown, iat: number): number | null {
  const time = typeof value === 'number' ? instantOf(value) : null
  return time !== null && time >= (iat - OLDEST_S) * 1000 ? time : null
}

export type EventMeaning = 'ends-sessions' | 'verification' | 'stream-updated' | 'other'

/** @param ending the event types that end sessions */
export function meaningOf({ type }: SecurityEvent, ending: readonly string[] = ENDING_EVENTS): EventMeaning {
  if (ending.includes(type)) return 'ends-sessions'
  if (VERIFICATION.has(type)) return 'verification'
  return type === STREAM_UPDATED ? 'stream-updated' : 'other'
}

/**
 * Why the sessions end. CAEP's `session-revoked` is a logout unless an administrator or a policy initiated it
 * (`initiating_entity`, CAEP 1.0, section 2).
 */
export function reasonOf({ type, event }: SecurityEvent): Reason {
  const { initiating_entity: by } = event
  return by === 'admin' || by === 'policy' ? 'security' : (REASON_OF[type] ?? 'security')
}

/** The status of a stream (section 8.1.2). */
export const StreamStatus = z.enum(['enabled', 'paused', 'disabled'])
export type StreamStatus = z.infer<typeof StreamStatus>

const StreamUpdated = z.looseObject({ status: StreamStatus })

/** The status in a `stream-updated` event (section 8.1.5); null if it is unknown. */
export function streamStatusIn({ event }: SecurityEvent): StreamStatus | null {
  return StreamUpdated.safeParse(event).data?.status ?? null
}

const Verification = z.looseObject({ state: z.string().optional() })
const StreamSubject = z.looseObject({ format: z.literal('opaque'), id: z.string() })

/** The state and the stream of a `verification` event (section 8.1.4.1). */
export function verificationIn({ event, subject }: SecurityEvent): {
  state: string | null
  streamId: string | null
} {
  return {
    state: Verification.safeParse(event).data?.state ?? null,
    streamId: StreamSubject.safeParse(subject).data?.id ?? null,
  }
}
