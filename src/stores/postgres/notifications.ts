import type { NotificationStore } from '../../revocation/store/notification-store.ts'
import { NEW_NOTIFICATION_COLUMNS, type NotificationRow } from '../notification-rows.ts'
import { notificationStore } from '../notifications.ts'
import { POSTGRES_AUDIT } from './audit-reading.ts'
import type { PostgresDatabase, Query } from './database.ts'
import { isUuid } from './statements.ts'

const NAMES = NEW_NOTIFICATION_COLUMNS.join(', ')

/** Inserts notifications in the caller's transaction. */
export async function insertNotifications(query: Query, rows: readonly NotificationRow[]): Promise<void> {
  await query(
    `INSERT INTO curfew.notifications (${NAMES})
     SELECT ${NAMES} FROM json_populate_recordset(NULL::curfew.notifications, $1)`,
    [JSON.stringify(rows)],
  )
}

/** See `NotificationStore`. */
export function postgresNotifications(database: PostgresDatabase): NotificationStore {
  const store = notificationStore({
    dialect: POSTGRES_AUDIT,
    rows: database.query,
    write: (text, values, options) => database.transaction((query) => query(text, values), options),
    insert: (rows) => database.transaction((query) => insertNotifications(query, rows)),
    // An array, so that the selection runs once: in a join it could run again, and select more.
    isSelected: (statement) => `id = ANY (ARRAY (${statement} FOR UPDATE SKIP LOCKED))`,
  })
  return { ...store, get: async (id) => (isUuid(id) ? store.get(id) : null) }
}
