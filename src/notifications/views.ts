import { z } from 'zod'
import { isoTime } from '../base/iso-time.ts'
import { NotificationStatus, NotificationType, type ReceiverConfig } from '../revocation/notification.ts'
import type { Notification, ReceiverBacklog } from '../revocation/store/notification-store.ts'
import type { ReceiverHealth } from './receiver-queue.ts'

const time = z.iso.datetime()
const count = z.number().int().min(0)
const code = z.string().nullable()

/** A notification as the API returns it: without its content, which names a user. */
export const NotificationView = z
  .object({
    id: z.uuid().describe('The `webhook-id` of each attempt'),
    receiver: z.string(),
    type: NotificationType,
    at: time.describe('When it happened'),
    tenant: z.string().nullable(),
    revocation: z.uuid().nullable(),
    status: NotificationStatus.describe('`failed`: given up; it can be sent again'),
    attempts: count.describe('Attempts since it was added, or was sent again'),
    nextAttemptAt: time
      .nullable()
      .describe('Of a pending one; during an attempt, when it is repeated at the latest'),
    giveUpAt: time,
    code: code.describe('Why the last attempt failed'),
    httpStatus: count.nullable().describe('Of the last response'),
    attemptedAt: time.nullable(),
    endedAt: time.nullable().describe('When it was delivered or given up'),
  })
  .meta({ id: 'Notification', description: 'A notification of one receiver' })
export type NotificationView = z.infer<typeof NotificationView>

export function notificationView(one: Notification): NotificationView {
  const { id, receiver, type, tenant, revocation, status, attempts, httpStatus } = one
  return {
    ...{ id, receiver, type, at: new Date(one.at).toISOString(), tenant, revocation, status, attempts },
    nextAttemptAt: isoTime(one.dueAt),
    giveUpAt: new Date(one.giveUpAt).toISOString(),
    ...{ code: one.code, httpStatus },
    attemptedAt: isoTime(one.attemptedAt),
    endedAt: isoTime(one.endedAt),
  }
}

export const ReceiverView = z
  .object({
    name: z.string(),
    origin: z.string().nullable().describe('Of its url; null if it is no longer configured'),
    events: z.array(NotificationType),
    tenants: z.array(z.string()).nullable(),
    onlyIfNamed: z.boolean(),
    state: z
      .enum(['ok', 'failing', 'paused', 'removed'])
      .describe(
        'Of this replica. `failing`: it is tried once a minute. `paused`: it responded with 410. `removed`: it is no longer configured',
      ),
    lastDeliveredAt: time.nullable().describe('By this replica since its start'),
    lastFailure: z.object({ at: time, code: z.string(), httpStatus: count.nullable() }).nullable(),
    pending: count.describe('Counted up to 10,000'),
    failed: count.describe('Counted up to 10,000'),
    oldestPendingAt: time
      .nullable()
      .describe('Since when the oldest pending one waits: since it happened, or was sent again'),
  })
  .meta({ id: 'Receiver', description: 'A receiver of notifications' })
export type ReceiverView = z.infer<typeof ReceiverView>

const NONE = { pending: 0, failed: 0, oldestPendingAt: null }
const UNKNOWN: ReceiverHealth = { state: 'ok', lastDeliveredAt: null, lastFailure: null }

export function receiverView(
  { name, url, events, tenants, onlyIfNamed }: ReceiverConfig,
  health: ReceiverHealth | null,
  backlog: ReceiverBacklog | undefined,
): ReceiverView {
  const { state, lastDeliveredAt, lastFailure } = health ?? UNKNOWN
  const { pending, failed, oldestPendingAt } = backlog ?? NONE
  return {
    ...{
      name,
      origin: new URL(url).origin,
      events: [...events],
      tenants: tenants && [...tenants],
      onlyIfNamed,
      state,
    },
    lastDeliveredAt: isoTime(lastDeliveredAt),
    lastFailure: lastFailure && { ...lastFailure, at: new Date(lastFailure.at).toISOString() },
    ...{ pending, failed, oldestPendingAt: isoTime(oldestPendingAt) },
  }
}

/** A receiver that is no longer configured, with notifications that were not delivered. */
export function removedView({ receiver, pending, failed, oldestPendingAt }: ReceiverBacklog): ReceiverView {
  return {
    ...{ name: receiver, origin: null, events: [], tenants: null, onlyIfNamed: false, state: 'removed' },
    ...{
      lastDeliveredAt: null,
      lastFailure: null,
      pending,
      failed,
      oldestPendingAt: isoTime(oldestPendingAt),
    },
  }
}
