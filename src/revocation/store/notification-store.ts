import type { NewNotification, NotificationStatus, NotificationType } from '../notification.ts'

/** A notification whose sending is not reported within this time is sent again, by any process. */
export const NOTIFICATION_LEASE_MS = 60_000
/** How long a notification is retried. */
export const GIVE_UP_NOTIFICATION_AFTER_MS = 3 * 24 * 60 * 60_000
/** How long a delivered notification is kept at most. Failed ones are kept as long as ended revocations. */
export const DELIVERED_KEPT_MS = 3 * 24 * 60 * 60_000

/** A stored notification. Times in ms since the epoch. */
export interface Notification extends Omit<NewNotification, 'user' | 'data'> {
  /** UUID version 7: ids sort by time. It is the `webhook-id` of each attempt. */
  id: string
  status: NotificationStatus
  /** Attempts started. */
  attempts: number
  /** When the next attempt is due; null unless it is pending. */
  dueAt: number | null
  /** When it is no longer retried. */
  giveUpAt: number
  /** Why the last attempt failed; null if none has failed. */
  code: string | null
  /** The HTTP status of the last response; null if there was none. */
  httpStatus: number | null
  /** When the last attempt was reported. */
  attemptedAt: number | null
  /** When it was delivered or failed. */
  endedAt: number | null
}

export interface ClaimedNotification extends Notification {
  /** The member `data` of the message, as JSON. */
  data: string
}

/** The result of an attempt. `retry`: due again at `dueAt`. */
export type NotificationResult = { at: number; httpStatus: number | null } & (
  | { status: 'delivered' }
  | { status: 'retry'; code: string; dueAt: number }
  | { status: 'failed'; code: string }
)

export interface NotificationQuery {
  receiver?: string | undefined
  status?: NotificationStatus | undefined
  type?: NotificationType | undefined
  revocation?: string | undefined
  /** Only of these tenants; by default of all, and those about no tenant. */
  tenants?: readonly string[] | undefined
  limit: number
  /** The id after which the page begins. */
  cursor?: string | undefined
}

/** Waiting and failed notifications are counted up to here. */
export const MOST_COUNTED = 10_000

/** The notifications of one receiver, each number up to `MOST_COUNTED`. */
export interface ReceiverBacklog {
  receiver: string
  pending: number
  failed: number
  /** Since when the oldest pending one has been waiting: since it happened, or since it was sent again. */
  oldestPendingAt: number | null
}

/** Selects failed notifications to send again. */
export interface RedeliverQuery {
  receiver: string
  /** Only those that happened at or after this time. */
  since: number
}

/** Notifications of receivers. Those of changes are written by the transaction of the change: see `Outbox`. */
export interface NotificationStore {
  /** Adds notifications that no change of a revocation causes. */
  add(notifications: readonly NewNotification[]): Promise<void>

  /**
   * Claims pending notifications of a receiver that are due, longest due first, and increments `attempts`. One that is not
   * reported within `NOTIFICATION_LEASE_MS` is due again. No other process gets a claimed one.
   */
  claim(receiver: string, now: number, limit: number): Promise<ClaimedNotification[]>

  /** Stores the result of an attempt. No effect if the notification was claimed again, or erased, in the meantime. */
  report(claimed: Pick<Notification, 'id' | 'attempts'>, result: NotificationResult): Promise<void>

  /**
   * Ends some pending notifications whose time is over, whoever they are for: their receiver was not available. Call it until
   * none is returned.
   */
  giveUp(now: number, code: string): Promise<{ receiver: string; type: NotificationType }[]>

  /** One notification; null if there is none. */
  get(id: string): Promise<Notification | null>

  /** Newest first. `nextCursor` is null on the last page. */
  list(query: NotificationQuery): Promise<{ items: Notification[]; nextCursor: string | null }>

  /**
   * Makes a notification pending again, due now, for another three days. One that is being sent, or is due within the time of a
   * lease, is left as it is. @returns whether it was changed
   */
  redeliver(id: string, now: number): Promise<boolean>

  /** The same for failed notifications of a receiver, at most `limit`. @returns their number */
  redeliverFailed(query: RedeliverQuery, now: number, limit: number): Promise<number>

  /** Counts up to `MOST_COUNTED`. */
  countFailed(query: RedeliverQuery): Promise<number>

  /** Of each receiver with notifications that are pending or failed. */
  backlog(): Promise<ReceiverBacklog[]>

  /**
   * Deletes those that ended before this time, delivered ones after `DELIVERED_KEPT_MS` at the latest, and pending ones that
   * nothing has given up; returns their number.
   */
  purge(before: number, now: number): Promise<number>
}
