import { z } from 'zod'
import { uuidv7 } from '../revocation/id.ts'
import { type NewNotification, NotificationStatus, NotificationType } from '../revocation/notification.ts'
import {
  type ClaimedNotification,
  GIVE_UP_NOTIFICATION_AFTER_MS,
  type Notification,
} from '../revocation/store/notification-store.ts'

/** The columns that a new row sets, in both stores. */
export const NEW_NOTIFICATION_COLUMNS = [
  'id',
  'receiver',
  'type',
  'at',
  'tenant',
  'revocation_id',
  'user_kind',
  'user_value',
  'data',
  'due_at',
  'give_up_at',
] as const

export type NotificationRow = Record<(typeof NEW_NOTIFICATION_COLUMNS)[number], string | number | null>

export function toNotificationRow({
  receiver,
  type,
  at,
  tenant,
  revocation,
  user,
  data,
}: NewNotification): NotificationRow {
  return {
    ...{ id: uuidv7(at), receiver, type, at, tenant, revocation_id: revocation },
    ...{ user_kind: user?.kind ?? null, user_value: user?.value ?? null, data },
    ...{ due_at: at, give_up_at: at + GIVE_UP_NOTIFICATION_AFTER_MS },
  }
}

const time = z.number()
export const ClaimedRow = z
  .object({
    id: z.string(),
    receiver: z.string(),
    type: NotificationType,
    at: time,
    tenant: z.string().nullable(),
    revocation_id: z.string().nullable(),
    data: z.string(),
    status: NotificationStatus,
    attempts: z.number(),
    due_at: time.nullable(),
    give_up_at: time,
    code: z.string().nullable(),
    http_status: z.number().nullable(),
    attempted_at: time.nullable(),
    ended_at: time.nullable(),
  })
  .transform(
    ({
      revocation_id,
      due_at,
      give_up_at,
      http_status,
      attempted_at,
      ended_at,
      ...row
    }): ClaimedNotification => ({
      ...row,
      revocation: revocation_id,
      dueAt: due_at,
      giveUpAt: give_up_at,
      httpStatus: http_status,
      attemptedAt: attempted_at,
      endedAt: ended_at,
    }),
  )

export function toNotification(row: unknown): Notification {
  const { data: _, ...notification } = ClaimedRow.parse(row)
  return notification
}
