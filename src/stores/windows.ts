import { type AuditDialect, type Rows, WINDOW } from './audit-dialect.ts'

export type Bind = (value: unknown) => string

interface Scan {
  table: string
  /** The columns of the primary key. */
  keys: readonly string[]
  columns: string
  condition: (bind: Bind) => string
}

/** Scans a table in the order of its primary key, some rows at a time. Yields the rows that match, in parts. */
export async function* scan(
  { table, keys, columns, condition }: Scan,
  rows: Rows,
  dialect: AuditDialect,
): AsyncGenerator<Record<string, unknown>[]> {
  const key = keys.join(', ')
  const from = dialect.table(table)
  let after: readonly unknown[] | null = null
  for (;;) {
    const past = (bind: Bind) => (after ? `(${key}) > (${after.map(bind).join(', ')})` : 'TRUE')
    const [end] = await bound(rows, dialect, (bind) => {
      return `SELECT ${key} FROM ${from} WHERE ${past(bind)} ORDER BY ${key} LIMIT 1 OFFSET ${WINDOW - 1}`
    })
    const last = end && keys.map((name) => end[name])
    yield await bound(rows, dialect, (bind) => {
      const within = last ? `AND (${key}) <= (${last.map(bind).join(', ')})` : ''
      // PostgreSQL overestimates such a range, and would read the whole table without the limit. The limit leaves room for
      // rows that are added in the meantime.
      const some = `SELECT * FROM ${from} WHERE ${past(bind)} ${within} ORDER BY ${key} LIMIT ${2 * WINDOW}`
      return `SELECT ${columns} FROM (${some}) AS some_rows WHERE ${condition(bind)} ORDER BY ${key}`
    })
    if (!last) return
    after = last
  }
}

/** Runs a statement whose values are bound where they occur. */
export function bound(
  rows: Rows,
  { parameter }: Pick<AuditDialect, 'parameter'>,
  text: (bind: Bind) => string,
) {
  const values: unknown[] = []
  return rows(
    text((value) => parameter(values.push(value))),
    values,
  )
}
