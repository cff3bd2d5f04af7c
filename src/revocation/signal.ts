import { z } from 'zod'
import { SignalTime } from './signal-time.ts'

/**
 * Why the user's session ended, in order of urgency: the first is served first. Stored as a number: reordering needs a
 * migration.
 */
export const REASONS = ['security', 'logout', 'session-expired'] as const
export const Reason = z.enum(REASONS)
export type Reason = z.infer<typeof Reason>

/**
 * Which tokens are revoked. `issued-before`: those issued up to the signal's time, so that a user who logs in again
 * immediately keeps the new ones. `all`: every token.
 */
export const Scope = z.enum(['issued-before', 'all'])
export type Scope = z.infer<typeof Scope>

/** Scope of a signal that specifies none: a security incident ends everything, a logout only what came before it. */
export function defaultScope(reason: Reason): Scope {
  return reason === 'security' ? 'all' : 'issued-before'
}

/** Identifies a user in a signal: of limited length, well-formed Unicode without control characters. */
export const Identifier = z
  .string()
  .min(1)
  .max(512)
  .refine((text) => text.isWellFormed(), 'expected well-formed Unicode')
  .refine((text) => !/\p{Cc}/u.test(text), 'expected no control characters')

/** An e-mail address, validated loosely on purpose: the identity provider decides what an address is. */
export const EmailAddress = Identifier.refine(
  (text) => /^[^\s@]+@[^\s@]+$/u.test(text),
  'expected an e-mail address',
)

/**
 * The store indexes the user's name and the device type together to find revocations to join; an index entry in
 * PostgreSQL holds up to 2,704 bytes.
 */
const DEVICE_TYPE_BYTES = 512
export const DeviceType = Identifier.refine(
  (text) => Buffer.byteLength(text) <= DEVICE_TYPE_BYTES,
  `expected at most ${DEVICE_TYPE_BYTES} bytes of UTF-8`,
)

/** How a user can be identified. */
export const UserKind = z.enum(['userId', 'subject', 'email'])
export type UserKind = z.infer<typeof UserKind>

/** The user whose session ended: by Qlik user id, by the identity provider's subject, or by e-mail address. */
export const UserReference = z.object({ kind: UserKind, value: z.string() })
export type UserReference = z.infer<typeof UserReference>

/** A time in ms since the epoch. */
export const Time = z.number().int()

/** A proven statement, from any source, that a user's session ended. */
export const Signal = z.object({
  tenant: z.string(),
  user: UserReference,
  source: z.string(),
  reason: Reason,
  scope: Scope,
  /** Only tokens of this device type, or null for all. */
  deviceType: z.string().nullable(),
  /** When the session ended, as the sender reports it; once accepted, not later than `acceptedAt` (`stamped`). */
  occurredAt: Time,
  acceptedAt: Time,
  /** The instant in the tenant's time, as far as it is known; null if accepted by a version that did not record it. */
  signalTime: SignalTime.nullable().default(null),
  /** The sender's kind and name, see `nameOf`; null if Curfew requests it, or a version accepted it that did not record it. */
  sender: z.string().nullable().default(null),
  /** Names of receivers that are notified of the revocation in addition to those of all revocations. */
  notify: z.array(z.string()).default([]),
  /**
   * The trace to which its runs belong, as a header of W3C Trace Context; null if the signal was not sampled, or telemetry
   * is off.
   */
  traceparent: z.string().nullable().default(null),
})
/** Members with a default may be omitted. */
export type Signal = z.input<typeof Signal>
