import { z } from 'zod'
import type { AuditQuery } from '../revocation/audit/audit-log.ts'
import type { StoredEntry } from '../revocation/audit/entry.ts'
import { type AuditDialect, type Rows, WINDOW } from './audit-dialect.ts'
import { toStoredEntry } from './audit-row.ts'

/** Maximum per page for conditions without an index of their own. The page then ends, even if it is empty. */
const WINDOWS = 200
/** The first windows are small: usually most entries match, for example the tenants of a restricted API key. */
const FIRST_WINDOW = 250

/** Where a page continues: the last entry that was looked at. */
const Place = z.object({ at: z.coerce.number(), writer: z.string(), sequence: z.coerce.number() })
type Place = z.infer<typeof Place>

const CURSOR =
  /^(?<at>-?\d{1,16})_(?<writer>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_(?<sequence>\d{1,16})$/

const newestFirst = (time: string) => `ORDER BY ${time} DESC, writer DESC, sequence DESC`

/** See `AuditReading.list`. */
export async function listAudit(
  { limit, cursor, ...query }: AuditQuery,
  rows: Rows,
  dialect: AuditDialect,
): Promise<{ items: StoredEntry[]; nextCursor: string | null }> {
  const items: (StoredEntry & { place: Place })[] = []
  let after = cursor === undefined ? null : Place.nullable().parse(CURSOR.exec(cursor)?.groups ?? null)
  for (let windows = 1; ; windows += 1) {
    const { found, boundary } = windowOf(
      query,
      after,
      Math.min(FIRST_WINDOW * 4 ** (windows - 1), WINDOW),
      rows,
      dialect,
    )
    const some = await found(limit + 1 - items.length)
    items.push(...some.map((row) => ({ ...toStoredEntry(row), place: Place.parse(row) })))
    if (items.length > limit) {
      items.length = limit
      after = items.at(-1)?.place ?? null
      break
    }
    const [last] = await boundary()
    after = last ? Place.parse(last) : null
    if (!after || windows === WINDOWS) break
  }
  return { items: items.map(({ place: _, ...item }) => item), nextCursor: after && toCursor(after) }
}

function toCursor({ at, writer, sequence }: Place): string {
  return `${at}_${writer}_${sequence}`
}

/** The entries of a window that match, and the last one of a full window. One condition chooses the index. */
function windowOf(
  { user, sender, event, revocation, from, to, tenants }: Omit<AuditQuery, 'limit' | 'cursor'>,
  after: Place | null,
  size: number,
  rows: Rows,
  { table, parameter, isIn, list, timeInIndex }: AuditDialect,
) {
  const values: unknown[] = []
  const bind = (value: unknown) => parameter(values.push(value))
  const indexed: [value: unknown, condition: () => string][] = [
    [user, () => `user_value = ${bind(user?.value)} AND user_kind = ${bind(user?.kind)}`],
    [revocation, () => `revocation_id = ${bind(revocation)}`],
    [sender, () => `sender = ${bind(sender)}`],
  ]
  const [first, ...more] = indexed.filter(([value]) => value !== undefined)
  const inside = first ? [first[1]()] : []
  const time = first ? timeInIndex : 'at'
  if (from !== undefined) inside.push(`${time} >= ${bind(from)}`)
  if (to !== undefined) inside.push(`${time} < ${bind(to)}`)
  if (after) {
    const at = bind(after.at)
    // The first condition is for the index.
    inside.push(`${time} <= ${at}`)
    inside.push(`(${time} < ${at} OR (writer, sequence) < (${bind(after.writer)}, ${bind(after.sequence)}))`)
  }
  // Without a bound, SQLite would sort the whole table instead of using the index.
  if (inside.length === 0) inside.push(`${time} <= ${bind(Number.MAX_SAFE_INTEGER)}`)
  const insideValues = [...values]
  const others = more.map(([, condition]) => condition())
  if (event !== undefined) others.push(`event = ${bind(event)}`)
  if (tenants) others.push(isIn('tenant', bind(list(tenants))))

  const of = (columns: string) =>
    `SELECT ${columns} FROM ${table('audit_entries')} ${where(inside)} ${newestFirst(time)}`
  const found =
    others.length === 0
      ? of('*')
      : `SELECT e.* FROM (${of('writer, sequence, event, sender, tenant, revocation_id')} LIMIT ${size}) AS w
         JOIN ${table('audit_entries')} AS e ON e.writer = w.writer AND e.sequence = w.sequence
         ${where(others.map((condition) => `w.${condition}`))}
         ORDER BY e.at DESC, e.writer DESC, e.sequence DESC`
  return {
    found: (count: number) => rows(`${found} LIMIT ${count}`, values),
    /** The last entry of the window; none if no other entry follows, except those already found. */
    boundary: async () =>
      others.length === 0
        ? []
        : rows(`${of('at, writer, sequence')} LIMIT 1 OFFSET ${size - 1}`, insideValues),
  }
}

function where(conditions: readonly string[]): string {
  return conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''
}
