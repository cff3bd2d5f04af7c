import { z } from 'zod'
import { uuidv7 } from '../revocation/id.ts'
import { type NewNotification, NotificationStatus, NotificationType } from '../revocation/notification.ts'
import {
  type ClaimedNotification,
  DELIVERED_KEPT_MS,
  GIVE_UP_NOTIFICATION_AFTER_MS,
  NOTIFICATION_LEASE_MS,
  type Notification,
  type NotificationQuery,
  type NotificationResult,
  type NotificationStore,
  type RedeliverQuery,
} from '../revocation/store/notification-store.ts'
import { type AuditDialect, type Rows, WINDOW } from './audit-dialect.ts'
import { purgeAll } from './purge-all.ts'
import { type Bind, bound } from './windows.ts'

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
const Row = z
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

function toNotification(row: unknown): Notification {
  const { data: _, ...notification } = Row.parse(row)
  return notification
}

const BacklogRow = z.object({ receiver: z.string(), count: z.number(), oldest: time })

const CHANGED_AT_ONCE = 500
/** More than a receiver gets at once, so that a lease never ends because of the sweep. */
const GRACE_MS = 10 * NOTIFICATION_LEASE_MS

export interface NotificationSql {
  dialect: AuditDialect
  rows: Rows
  /** Runs a statement that writes, in a transaction. @param mustSync whether a power cut must not undo it */
  write: (text: string, values: unknown[], options: { mustSync: boolean }) => ReturnType<Rows>
  insert: (rows: readonly NotificationRow[]) => Promise<void>
  /** What follows a selection of rows to change, so that processes do not wait for each other. */
  skipLocked: string
}

/** See `NotificationStore`. The statements of both stores. */
export function notificationStore({
  dialect,
  rows,
  write,
  insert,
  skipLocked,
}: NotificationSql): NotificationStore {
  const table = dialect.table('notifications')
  const change = (mustSync: boolean, text: (bind: Bind) => string) =>
    bound((statement, values) => write(statement, values, { mustSync }), dialect, text)
  const read = (text: (bind: Bind) => string) => bound(rows, dialect, text)
  const some = (condition: string, order = '') =>
    `id IN (SELECT id FROM ${table} WHERE ${condition} ${order} LIMIT ${CHANGED_AT_ONCE} ${skipLocked})`
  const again = (bind: Bind, now: number) =>
    `status = 'pending', attempts = 0, due_at = ${bind(now)}, ended_at = NULL, code = NULL, http_status = NULL,
     give_up_at = ${bind(now + GIVE_UP_NOTIFICATION_AFTER_MS)}`
  const failed = (bind: Bind, { receiver, since }: RedeliverQuery) =>
    `status = 'failed' AND receiver = ${bind(receiver)} AND at >= ${bind(since)}`
  const remove = (condition: (bind: Bind) => string) =>
    purgeAll(async () => {
      const removed = await change(
        false,
        (bind) => `DELETE FROM ${table} WHERE ${some(condition(bind))} RETURNING 1`,
      )
      return removed.length
    })

  return {
    add: (notifications) => insert(notifications.map(toNotificationRow)),

    async claim(receiver, now, limit) {
      const claimed = await change(
        false,
        (bind) => `UPDATE ${table} SET attempts = attempts + 1, due_at = ${bind(now + NOTIFICATION_LEASE_MS)}
          WHERE id IN (SELECT id FROM ${table}
            WHERE status = 'pending' AND receiver = ${bind(receiver)} AND due_at <= ${bind(now)}
            ORDER BY due_at LIMIT ${bind(limit)} ${skipLocked}) RETURNING *`,
      )
      return claimed.map((row) => Row.parse(row))
    },

    async report({ id, attempts }, result) {
      const { status, dueAt, code, endedAt } = afterAttempt(result)
      await change(
        false,
        (
          bind,
        ) => `UPDATE ${table} SET status = ${bind(status)}, due_at = ${bind(dueAt)}, code = ${bind(code)},
            http_status = ${bind(result.httpStatus)}, attempted_at = ${bind(result.at)}, ended_at = ${bind(endedAt)}
          WHERE id = ${bind(id)} AND attempts = ${bind(attempts)} AND status = 'pending' RETURNING 1`,
      )
    },

    async giveUp(now, code) {
      const ended = await change(
        true,
        (bind) => `UPDATE ${table}
          SET status = 'failed', due_at = NULL, ended_at = ${bind(now)}, code = coalesce(code, ${bind(code)})
          WHERE ${some(`status = 'pending' AND give_up_at <= ${bind(now - GRACE_MS)}`)} RETURNING receiver, type`,
      )
      return ended.map(({ receiver, type }) => ({
        receiver: String(receiver),
        type: NotificationType.parse(type),
      }))
    },

    async get(id) {
      const [row] = await read((bind) => `SELECT * FROM ${table} WHERE id = ${bind(id)}`)
      return row ? toNotification(row) : null
    },

    async list(query) {
      const { limit, revocation } = query
      // Without the index, the number of rows that a page reads is limited.
      const [end] = revocation ? [] : await read((bind) => windowEnd(table, query, bind))
      const found = await read((bind) => pageStatement(table, query, { end: end?.id ?? null, bind }, dialect))
      const items = found.slice(0, limit).map(toNotification)
      const last = found.length > limit ? items.at(-1)?.id : end?.id
      return { items, nextCursor: last === undefined || last === null ? null : String(last) }
    },

    async redeliver(id, now) {
      const changed = await change(
        true,
        (bind) => `UPDATE ${table} SET ${again(bind, now)} WHERE id = ${bind(id)} RETURNING 1`,
      )
      return changed.length > 0
    },

    redeliverFailed: (query, now) =>
      purgeAll(async () => {
        const changed = await change(
          true,
          (bind) => `UPDATE ${table} SET ${again(bind, now)} WHERE ${some(failed(bind, query))} RETURNING 1`,
        )
        return changed.length
      }),

    async countFailed(query) {
      const [row] = await read(
        (bind) => `SELECT count(*) AS count FROM ${table} WHERE ${failed(bind, query)}`,
      )
      return Number(row?.count)
    },

    async backlog() {
      const of = async (status: NotificationStatus) => {
        const counted = await read(
          () => `SELECT receiver, count(*) AS count, min(at) AS oldest FROM ${table}
            WHERE status = '${status}' GROUP BY receiver`,
        )
        return new Map(counted.map((row) => BacklogRow.parse(row)).map((row) => [row.receiver, row]))
      }
      const [pending, ended] = await Promise.all([of('pending'), of('failed')])
      return [...new Set([...pending.keys(), ...ended.keys()])].map((receiver) => ({
        receiver,
        pending: pending.get(receiver)?.count ?? 0,
        failed: ended.get(receiver)?.count ?? 0,
        oldestPendingAt: pending.get(receiver)?.oldest ?? null,
      }))
    },

    async purge(failedBefore, now) {
      const ended = (status: NotificationStatus, before: number) =>
        remove((bind) => `status = '${status}' AND ended_at < ${bind(before)}`)
      return (await ended('delivered', now - DELIVERED_KEPT_MS)) + (await ended('failed', failedBefore))
    },
  }
}

function afterAttempt(result: NotificationResult) {
  const { status, at } = result
  if (status === 'delivered') return { status, dueAt: null, code: null, endedAt: at }
  const { code } = result
  if (status === 'failed') return { status, dueAt: null, code, endedAt: at }
  return { status: 'pending', dueAt: result.dueAt, code, endedAt: null }
}

/** The last id of the rows that a page may read; none if there are fewer. */
function windowEnd(table: string, { cursor }: NotificationQuery, bind: Bind): string {
  const past = cursor === undefined ? '' : `WHERE id < ${bind(cursor)}`
  return `SELECT id FROM ${table} ${past} ORDER BY id DESC LIMIT 1 OFFSET ${WINDOW - 1}`
}

function pageStatement(
  table: string,
  { receiver, status, type, revocation, tenants, limit, cursor }: NotificationQuery,
  { end, bind }: { end: unknown; bind: Bind },
  { isIn, list }: AuditDialect,
): string {
  const equal = (column: string, value: string | undefined) =>
    value === undefined ? [] : [`${column} = ${bind(value)}`]
  const conditions = [
    ...equal('receiver', receiver),
    ...equal('status', status),
    ...equal('type', type),
    ...equal('revocation_id', revocation),
    ...(tenants === undefined ? [] : [isIn('tenant', bind(list(tenants)))]),
    ...(cursor === undefined ? [] : [`id < ${bind(cursor)}`]),
    ...(end === null ? [] : [`id >= ${bind(end)}`]),
  ]
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''
  return `SELECT * FROM ${table} ${where} ORDER BY id DESC LIMIT ${limit + 1}`
}
