import { z } from 'zod'
import { type NotificationStatus, NotificationType } from '../revocation/notification.ts'
import {
  DELIVERED_KEPT_MS,
  GIVE_UP_NOTIFICATION_AFTER_MS,
  MOST_COUNTED,
  NOTIFICATION_LEASE_MS,
  type NotificationQuery,
  type NotificationResult,
  type NotificationStore,
  type RedeliverQuery,
} from '../revocation/store/notification-store.ts'
import { type AuditDialect, type Rows, WINDOW } from './audit-dialect.ts'
import { ClaimedRow, type NotificationRow, toNotification, toNotificationRow } from './notification-rows.ts'
import { purgeAll } from './purge-all.ts'
import { type Bind, bound } from './windows.ts'

const BacklogRow = z.object({
  receiver: z.string(),
  count: z.number(),
  give_up_at: z.number().nullable(),
})

const CHANGED_AT_ONCE = 500
/** More than a receiver gets at once, so that no attempt is given up while it is in flight. */
const GRACE_MS = 10 * NOTIFICATION_LEASE_MS

export interface NotificationSql {
  dialect: AuditDialect
  rows: Rows
  /** Runs a statement that writes, in a transaction. @param mustSync whether a power cut must not undo it */
  write: (text: string, values: unknown[], options: { mustSync: boolean }) => ReturnType<Rows>
  insert: (rows: readonly NotificationRow[]) => Promise<void>
  /** A condition: the id is one of those that the statement selects to change. Processes do not wait for each other. */
  isSelected: (statement: string) => string
}

/** See `NotificationStore`. The statements of both stores. */
export function notificationStore({
  dialect,
  rows,
  write,
  insert,
  isSelected,
}: NotificationSql): NotificationStore {
  const table = dialect.table('notifications')
  const change = (mustSync: boolean, text: (bind: Bind) => string) =>
    bound((statement, values) => write(statement, values, { mustSync }), dialect, text)
  const read = (text: (bind: Bind) => string) => bound(rows, dialect, text)
  const some = (condition: string, limit = CHANGED_AT_ONCE) =>
    isSelected(`SELECT id FROM ${table} WHERE ${condition} LIMIT ${limit}`)
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
          WHERE ${some(
            `status = 'pending' AND receiver = ${bind(receiver)} AND due_at <= ${bind(now)} ORDER BY due_at`,
            limit,
          )} RETURNING *`,
      )
      return claimed.map((row) => ClaimedRow.parse(row))
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
        false,
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
        (bind) => `UPDATE ${table} SET ${again(bind, now)} WHERE id = ${bind(id)}
          AND NOT (status = 'pending' AND attempts > 0
            AND due_at > ${bind(now)} AND due_at <= ${bind(now + NOTIFICATION_LEASE_MS)}
            -- Otherwise it waits after a failure that was reported within the time of a lease.
            AND (attempted_at IS NULL OR attempted_at <= due_at - ${NOTIFICATION_LEASE_MS})) RETURNING 1`,
      )
      return changed.length > 0
    },

    async redeliverFailed(query, now, limit) {
      const changed = await change(
        true,
        (bind) =>
          `UPDATE ${table} SET ${again(bind, now)} WHERE ${some(failed(bind, query), limit)} RETURNING 1`,
      )
      return changed.length
    },

    async countFailed(query) {
      const [row] = await read(
        (bind) => `SELECT count(*) AS count FROM (
          SELECT 1 FROM ${table} WHERE ${failed(bind, query)} LIMIT ${MOST_COUNTED}) AS counted`,
      )
      return Number(row?.count)
    },

    async backlog() {
      const of = async (status: NotificationStatus, first: string) => {
        const counted = await read(() => backlogStatement(table, status, first))
        return new Map(counted.map((row) => BacklogRow.parse(row)).map((row) => [row.receiver, row]))
      }
      const [pending, ended] = await Promise.all([of('pending', 'due_at'), of('failed', 'at')])
      return [...new Set([...pending.keys(), ...ended.keys()])].map((receiver) => {
        const giveUpAt = pending.get(receiver)?.give_up_at ?? null
        return {
          receiver,
          pending: pending.get(receiver)?.count ?? 0,
          failed: ended.get(receiver)?.count ?? 0,
          oldestPendingAt: giveUpAt === null ? null : giveUpAt - GIVE_UP_NOTIFICATION_AFTER_MS,
        }
      })
    },

    async purge(before, now) {
      const ended = (status: NotificationStatus, time: number) =>
        remove((bind) => `status = '${status}' AND ended_at < ${bind(time)}`)
      const delivered = await ended('delivered', Math.max(before, now - DELIVERED_KEPT_MS))
      const failed = await ended('failed', before)
      // Without receivers, nothing gives up what was pending.
      const pending = await remove((bind) => `status = 'pending' AND give_up_at < ${bind(before)}`)
      return delivered + failed + pending
    },
  }
}

/**
 * Of each receiver, reads up to `MOST_COUNTED` rows of the index that begins with the receiver and `first`. The names come from
 * the index, too, one by one: to group all rows would read all of them.
 */
function backlogStatement(table: string, status: NotificationStatus, first: string): string {
  const next = (condition: string) =>
    `SELECT min(receiver) FROM ${table} WHERE status = '${status}' ${condition}`
  const of = (value: string, column: string) =>
    `(SELECT ${value} FROM (SELECT ${column} FROM ${table}
      WHERE status = '${status}' AND receiver = names.receiver ORDER BY ${first} LIMIT ${MOST_COUNTED}) AS counted)`
  const oldest = status === 'pending' ? of('min(give_up_at)', 'give_up_at') : 'NULL'
  return `WITH RECURSIVE names (receiver) AS (
      ${next('')}
      UNION ALL
      SELECT (${next('AND receiver > names.receiver')}) FROM names WHERE names.receiver IS NOT NULL
    )
    SELECT receiver, ${of('count(*)', 'receiver')} AS count, ${oldest} AS give_up_at
    FROM names WHERE receiver IS NOT NULL`
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
