import { z } from 'zod'
import { invalidMember } from '../base/errors.ts'
import { ReceiverName } from '../revocation/notification.ts'
import type { Outbox } from '../revocation/outbox.ts'
import {
  DeviceType,
  defaultScope,
  EmailAddress,
  Identifier,
  Reason,
  Scope,
  type Signal,
  type UserReference,
} from '../revocation/signal.ts'
import { type TenantNames, tenantFor } from '../revocation/tenant-bounds.ts'
import { describeExactlyOne } from './exactly-one.ts'
import type { Sender } from './senders.ts'

/** The maximum by which a sender's clock may be ahead. */
const FUTURE_TOLERANCE_MS = 5 * 60_000

const tenant = Identifier.describe(
  'Name of the Qlik tenant. Default: the only tenant the sender is restricted to, otherwise the default tenant',
)

/** The members of a signal other than the user. */
export const SignalDetails = z.strictObject({
  tenant: tenant.optional(),
  reason: Reason.optional().describe('Why the session ended. Determines the urgency'),
  occurredAt: z.iso
    .datetime({ offset: true, error: 'expected ISO 8601 with an offset, as in 2026-05-04T12:00:00Z' })
    .optional()
    .describe('When the session ended (ISO 8601). Default: now'),
  scope: Scope.optional().describe(
    'Which tokens are revoked: those granted before the session ended, or all. Default: all if the reason is security, ' +
      'otherwise those granted before',
  ),
  deviceType: DeviceType.optional().describe('Revoke only tokens of this device type'),
  notify: ReceiverName.optional().describe(
    'Name of a receiver to notify of this revocation, in addition to those of all revocations',
  ),
})
export type SignalDetails = z.infer<typeof SignalDetails>

/** The members that name a user. */
export const UserNames = z.strictObject({
  userId: Identifier.optional().describe('Qlik user id'),
  subject: Identifier.optional().describe('Subject at the identity provider'),
  email: EmailAddress.optional().describe('E-mail address'),
})
export type UserNames = z.infer<typeof UserNames>

export const hasOneName = ({ userId, subject, email }: UserNames) =>
  [userId, subject, email].filter((name) => name !== undefined).length === 1
export const ONE_NAME = 'expected exactly one of userId, subject, email'

/** A user, named by exactly one member. */
export const User = UserNames.refine(hasOneName, ONE_NAME).meta({
  oneOf: describeExactlyOne(UserNames.shape),
})

/** The body of `POST /logout-hook`. */
export const LogoutBody = z
  .strictObject({ ...UserNames.shape, ...SignalDetails.shape })
  .refine(hasOneName, ONE_NAME)
  .meta({ oneOf: describeExactlyOne(UserNames.shape, SignalDetails.shape) })

/** The user reference for the one member that is present. */
export function userOf({ userId, subject, email }: UserNames): UserReference {
  if (userId !== undefined) return { kind: 'userId', value: userId }
  if (subject !== undefined) return { kind: 'subject', value: subject }
  return { kind: 'email', value: email ?? '' }
}

/** The user of a search, which may name none. @throws CURFEW_REQUEST_INVALID if several names are given */
export function optionalUser(names: UserNames): UserReference | undefined {
  const given = Object.values(names).filter((name) => name !== undefined)
  if (given.length > 1) throw invalidMember('userId', 'expected at most one of userId, subject, email')
  return given.length === 0 ? undefined : userOf(names)
}

export interface SignalOrigin {
  user: UserReference
  source: string
  defaultReason: Reason
  sender: Pick<Sender, 'tenants'>
  tenants: TenantNames
  outbox: Pick<Outbox, 'named'>
  /** ms since the epoch. */
  now: number
}

/**
 * Builds the signal of an authenticated and valid request.
 * @throws CURFEW_REQUEST_INVALID, CURFEW_UNKNOWN_TENANT, CURFEW_UNKNOWN_RECEIVER
 */
export function toSignal(
  details: SignalDetails,
  { user, source, defaultReason, sender, tenants, outbox, now }: SignalOrigin,
): Signal {
  const occurredAt = details.occurredAt === undefined ? now : Date.parse(details.occurredAt)
  if (occurredAt > now + FUTURE_TOLERANCE_MS) {
    throw invalidMember('/occurredAt', 'expected a time that is not in the future')
  }
  const reason = details.reason ?? defaultReason
  const tenant = tenantFor(details.tenant, sender, tenants)
  return {
    tenant,
    user,
    source,
    reason,
    scope: details.scope ?? defaultScope(reason),
    deviceType: details.deviceType ?? null,
    occurredAt,
    acceptedAt: now,
    notify: outbox.named(details.notify, tenant),
  }
}
