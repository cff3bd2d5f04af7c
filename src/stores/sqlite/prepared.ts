import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { toRevocation } from '../rows.ts'

/** Whether two rows are for the same user and device type, which is the condition for joining. */
export const SAME_USER = (one: string, other: string) =>
  ['user_value', 'user_kind', 'tenant', 'device_key']
    .map((name) => `${one}.${name} = ${other}.${name}`)
    .join(' AND ')

/** Whether no other revocation of the same user and device type runs. */
export const NOT_RUNNING = (row: string) =>
  `NOT EXISTS (
     SELECT 1 FROM revocations AS running WHERE running.place = 'running' AND ${SAME_USER('running', row)})`

export type Prepared = ReturnType<typeof prepareOn>

/** Runs statements on a database. Each is prepared once. */
export function prepareOn(database: DatabaseSync) {
  const prepared = new Map<string, StatementSync>()
  const prepare = (text: string): StatementSync => {
    const known = prepared.get(text)
    if (known) return known
    const statement = database.prepare(text)
    prepared.set(text, statement)
    return statement
  }
  const rows = (text: string, ...values: SQLInputValue[]) =>
    prepare(text)
      .all(...values)
      .map(toRevocation)
  const row = (text: string, ...values: SQLInputValue[]) => {
    const found = prepare(text).get(...values)
    return found ? toRevocation(found) : null
  }
  return { prepare, rows, row }
}
