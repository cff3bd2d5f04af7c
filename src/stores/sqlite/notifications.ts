import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { NoteEvents } from '../../revocation/audit/entry.ts'
import type { Outbox } from '../../revocation/outbox.ts'
import type { NotificationStore } from '../../revocation/store/notification-store.ts'
import type { Rows } from '../audit-dialect.ts'
import { NEW_NOTIFICATION_COLUMNS, type NotificationRow, toNotificationRow } from '../notification-rows.ts'
import { notificationStore } from '../notifications.ts'
import { SQLITE_AUDIT } from './audit-reading.ts'
import type { Companion } from './group-commit.ts'
import { prepareOn } from './prepared.ts'

const INSERT = `INSERT INTO notifications (${NEW_NOTIFICATION_COLUMNS.join(', ')})
  VALUES (${NEW_NOTIFICATION_COLUMNS.map(() => '?').join(', ')})`

/** Writes the notifications of the changes of a transaction before it is committed. */
export class SqliteOutbox implements Companion {
  readonly #outbox: Outbox
  readonly #insert: (rows: readonly NotificationRow[]) => void
  #noted: NotificationRow[] = []

  constructor(database: DatabaseSync, outbox: Outbox) {
    this.#outbox = outbox
    this.#insert = insertOn(database)
  }

  /** Notes changes in the caller's transaction. Bound, so that it can be passed as a callback. */
  readonly note: NoteEvents = (events, at) => {
    for (const one of this.#outbox.of(events, at)) this.#noted.push(toNotificationRow(one))
  }

  begin(): () => void {
    const { length } = this.#noted
    return () => {
      this.#noted.length = length
    }
  }

  beforeCommit(): void {
    this.#insert(this.#noted)
  }

  afterCommit(): void {
    if (this.#noted.length === 0) return
    const receivers = new Set(this.#noted.map(({ receiver }) => String(receiver)))
    this.#noted = []
    this.#outbox.onCommitted(receivers)
  }

  afterFailure(): void {
    this.#noted = []
  }
}

function insertOn(database: DatabaseSync): (rows: readonly NotificationRow[]) => void {
  // Prepared when it is needed: most services have no receivers.
  const { prepare } = prepareOn(database)
  return (rows) => {
    for (const row of rows) prepare(INSERT).run(...NEW_NOTIFICATION_COLUMNS.map((name) => row[name]))
  }
}

export interface SqliteNotificationOptions {
  rows: Rows
  /** Runs work in the next transaction. */
  write: <T>(work: () => T, options: { mustSync: boolean }) => Promise<T>
}

/** See `NotificationStore`. */
export function sqliteNotifications(
  database: DatabaseSync,
  { rows, write }: SqliteNotificationOptions,
): NotificationStore {
  const { prepare } = prepareOn(database)
  const insert = insertOn(database)
  return notificationStore({
    dialect: SQLITE_AUDIT,
    rows,
    write: (text, values, options) => write(() => prepare(text).all(...(values as SQLInputValue[])), options),
    insert: (some) => write(() => insert(some), { mustSync: true }),
    isSelected: (statement) => `id IN (${statement})`,
  })
}
