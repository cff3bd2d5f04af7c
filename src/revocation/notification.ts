import { z } from 'zod'
import type { AuditEvent } from './audit/entry.ts'
import { RevocationView, view } from './revocation-view.ts'
import { mayUse } from './tenant-bounds.ts'

/** What receivers can be notified of. `revocation.unverified`: completed, and no listing could prove it within 24 hours. */
export const NOTIFICATION_TYPES = [
  'revocation.completed',
  'revocation.verified',
  'revocation.unverified',
  'revocation.failed',
  'revocation.held',
  'source.rejected',
] as const
export const NotificationType = z.enum(NOTIFICATION_TYPES)
export type NotificationType = z.infer<typeof NotificationType>

/** The type of the message that an operator sends to try a receiver. It is not stored. */
export const TEST_TYPE = 'curfew.test'

/** A receiver's name, as configured and as signals name it. */
export const ReceiverName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected up to 63 lower case letters, digits and hyphens')

/** A service that is notified, as configured. */
export interface ReceiverConfig {
  name: string
  /** Where notifications are posted. Its path may be a secret. */
  url: string
  /** `whsec_…`: the current one, and during a rotation the previous one. Each signs. */
  secrets: readonly string[]
  events: readonly NotificationType[]
  /** Of these tenants only; null for all. */
  tenants: readonly string[] | null
  /** Whether it is only notified of revocations whose signals name it. */
  onlyIfNamed: boolean
}

export interface ReceiversConfig {
  list: readonly ReceiverConfig[]
  /** Networks that are not public and that receivers may be in: addresses, or CIDR. */
  networks: readonly string[]
}

/** The state of a stored notification. */
export const NotificationStatus = z.enum(['pending', 'delivered', 'failed'])
export type NotificationStatus = z.infer<typeof NotificationStatus>

/** A notification for one receiver, before it is sent. */
export interface NewNotification {
  receiver: string
  type: NotificationType
  /** When it happened, ms since the epoch. */
  at: number
  /** Null if it is about no tenant. */
  tenant: string | null
  revocation: string | null
  user: { kind: string; value: string } | null
  /** The member `data` of the message, as JSON. */
  data: string
}

/** The revocation in a notification: as the API returns it, without estimates. */
export const RevocationData = RevocationView.omit({ estimatedCompletionAt: true, waitingFor: true })

/** What the audit trail records of a change, as the type of a notification; null if receivers are not notified of it. */
function typeOfEvent({ event, details }: Pick<AuditEvent, 'event' | 'details'>): NotificationType | null {
  if (event === 'held') return 'revocation.held'
  if (event === 'revocation-verified') return 'revocation.verified'
  if (event === 'revocation-unverified') return 'revocation.unverified'
  if (event !== 'revocation-ended') return null
  return details.status === 'completed' ? 'revocation.completed' : 'revocation.failed'
}

/**
 * The notifications that recorded changes cause. Pure.
 * @param at when they happened, ms since the epoch
 */
export function notificationsOf(
  events: readonly AuditEvent[],
  receivers: readonly ReceiverConfig[],
  at: number,
): NewNotification[] {
  return events.flatMap((event) => {
    const { changed } = event
    const type = changed ? typeOfEvent(event) : null
    if (!changed || !type) return []
    const { tenant, user, id } = changed
    const wanting = receivers.filter(
      ({ name, events, tenants, onlyIfNamed }) =>
        events.includes(type) &&
        mayUse({ tenants }, tenant) &&
        (!onlyIfNamed || changed.notify.includes(name)),
    )
    if (wanting.length === 0) return []
    const { estimatedCompletionAt: _, waitingFor: __, ...shown } = view(changed, null, null)
    const data = JSON.stringify(shown)
    return wanting.map(({ name }) => ({ receiver: name, type, at, tenant, revocation: id, user, data }))
  })
}
