import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { toRevocation } from '../rows.ts'

/** The same user, as far as joining goes. */
export const SAME_USER = (one: string, other: string) =>
  ['user_value', 'user_kind', 'tenant', 'device_key']
    .map((name) => `${one}.${name} = ${other}.${name}`)
    .join(' AND ')

export type Prepared = ReturnType<typeof prepareOn>

/** Statements of a database, each prepared once. */
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
