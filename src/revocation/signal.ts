import { z } from 'zod'
import { SignalTime } from './signal-time.ts'

/** Why the user's session is over. The order is the urgency: the first is served first. */
export const REASONS = ['security', 'logout', 'session-expired'] as const
export const Reason = z.enum(REASONS)
export type Reason = z.infer<typeof Reason>

/** How urgent a reason is: 0 is the most urgent. */
export function urgencyOf(reason: Reason): number {
  return REASONS.indexOf(reason)
}

/**
 * Which tokens go. `issued-before`: those issued up to the signal's time, so that a user who logs in again at
 * once keeps the new ones. `all`: every token.
 */
export const Scope = z.enum(['issued-before', 'all'])
export type Scope = z.infer<typeof Scope>

/** The scope a signal has when it names none: security incidents end everything, a logout only what was before. */
export function defaultScope(reason: Reason): Scope {
  return reason === 'security' ? 'all' : 'issued-before'
}

/** A name that a sender may give a user by: bounded, well-formed Unicode, no control characters. */
export const Identifier = z
  .string()
  .min(1)
  .max(512)
  .refine((text) => text.isWellFormed(), 'expected well-formed Unicode')
  .refine((text) => !/\p{Cc}/u.test(text), 'expected no control characters')

/** An e-mail address, deliberately loosely: the identity provider decides what an address is. */
export const EmailAddress = Identifier.refine(
  (text) => /^[^\s@]+@[^\s@]+$/u.test(text),
  'expected an e-mail address',
)

/** The store finds what joins by the user's name and the device type together: an index of PostgreSQL takes 2,704 bytes. */
const DEVICE_TYPE_BYTES = 512
export const DeviceType = Identifier.refine(
  (text) => Buffer.byteLength(text) <= DEVICE_TYPE_BYTES,
  `expected at most ${DEVICE_TYPE_BYTES} bytes of UTF-8`,
)

/** What a user can be called by. */
export const UserKind = z.enum(['userId', 'subject', 'email'])
export type UserKind = z.infer<typeof UserKind>

/** Whose session is over: by Qlik user id, by the identity provider's subject, or by e-mail address. */
export const UserReference = z.object({ kind: UserKind, value: z.string() })
export type UserReference = z.infer<typeof UserReference>

/** A time in ms since the epoch. */
export const Time = z.number().int()

/** One way in's proven statement that a user's session is over. */
export const Signal = z.object({
  tenant: z.string(),
  user: UserReference,
  source: z.string(),
  reason: Reason,
  scope: Scope,
  /** Only tokens of this device type, or null for all. */
  deviceType: z.string().nullable(),
  /** When the session ended, as the sender sent it; once accepted, not later than `acceptedAt` (`stamped`). */
  occurredAt: Time,
  acceptedAt: Time,
  /** The instant in the tenant's time, as far as it is known; null for what a version without such times accepted. */
  signalTime: SignalTime.nullable().default(null),
})
/** What is left out has its default. */
export type Signal = z.input<typeof Signal>
