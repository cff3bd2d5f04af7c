import { z } from 'zod'
import type { AuditQuery } from '../revocation/audit/audit-log.ts'
import type { StoredEntry } from '../revocation/audit/entry.ts'
import { type AuditDialect, type Rows, WINDOW } from './audit-dialect.ts'
import { partsOf } from './audit-parts.ts'
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

interface Search {
  query: Omit<AuditQuery, 'limit' | 'cursor'>
  /** Null for the first page. */
  after: Place | null
  rows: Rows
  dialect: AuditDialect
}

type Item = StoredEntry & { place: Place }

/** See `AuditReading.list`. */
export async function listAudit(
  { limit, cursor, ...query }: AuditQuery,
  rows: Rows,
  dialect: AuditDialect,
): Promise<{ items: StoredEntry[]; nextCursor: string | null }> {
  const after = cursor === undefined ? null : Place.nullable().parse(CURSOR.exec(cursor)?.groups ?? null)
  const search = query.user && dialect.userPart !== null ? inParts : inWindows
  const { items, last } = await search({ query, after, rows, dialect }, limit + 1)
  const next = items.length > limit ? items[limit - 1]?.place : last
  return {
    items: items.slice(0, limit).map(({ place: _, ...item }) => item),
    nextCursor: next ? toCursor(next) : null,
  }
}

/** Up to `count` entries, and the last one that was looked at if others follow. */
interface Found {
  items: Item[]
  last: Place | null
}

async function inWindows(request: Search, count: number): Promise<Found> {
  const items: Item[] = []
  let last = request.after
  for (let windows = 1; windows <= WINDOWS; windows += 1) {
    const size = Math.min(FIRST_WINDOW * 4 ** (windows - 1), WINDOW)
    const { found, boundary } = windowOf({ ...request, after: last }, size)
    items.push(...(await found(count - items.length)).map(toItem))
    const [end] = items.length < count ? await boundary() : []
    last = end ? Place.parse(end) : null
    if (!last) break
  }
  return { items, last }
}

/** Reads the parts of the index by user, until the entries found are newer than those of all other parts. */
async function inParts(request: Search, count: number): Promise<Found> {
  const { query, after, rows, dialect } = request
  const { user, from = Number.NEGATIVE_INFINITY, to = Number.MAX_SAFE_INTEGER } = query
  const until = Math.min(to, after?.at ?? to)
  let items: Item[] = []
  for (const { part, newest } of user ? await partsOf(user, until, rows, dialect) : []) {
    if (newest < Math.max(from, items[count - 1]?.place.at ?? from)) break
    const { found } = windowOf(request, count, part)
    items = [...items, ...(await found(count)).map(toItem)].sort(byNewest).slice(0, count)
  }
  return { items, last: null }
}

function toItem(row: Record<string, unknown>): Item {
  return { ...toStoredEntry(row), place: Place.parse(row) }
}

function byNewest({ place: one }: Item, { place: other }: Item): number {
  if (one.at !== other.at) return other.at - one.at
  if (one.writer !== other.writer) return one.writer < other.writer ? 1 : -1
  return other.sequence - one.sequence
}

function toCursor({ at, writer, sequence }: Place): string {
  return `${at}_${writer}_${sequence}`
}

/**
 * The entries of a window that match, and the last one of a full window. One condition chooses the index.
 * @param part of the index by user, which is the window
 */
function windowOf({ query, after, rows, dialect }: Search, size: number, part: number | null = null) {
  const { user, sender, event, revocation, from, to, tenants } = query
  const { table, parameter, isIn, list, timeInIndex, userPart } = dialect
  const values: unknown[] = []
  const bind = (value: unknown) => parameter(values.push(value))
  const indexed: [value: unknown, condition: () => string][] = [
    [user, () => `user_value = ${bind(user?.value)} AND user_kind = ${bind(user?.kind)}`],
    [revocation, () => `revocation_id = ${bind(revocation)}`],
    [sender, () => `sender = ${bind(sender)}`],
  ]
  const [first, ...more] = indexed.filter(([value]) => value !== undefined)
  const inside = first ? [first[1]()] : []
  // A literal: the index contains only these.
  const isByEvent = !first && event === 'request-rejected'
  if (isByEvent) inside.push(`event = 'request-rejected'`)
  if (part !== null) inside.push(`${userPart} = ${bind(part)}`)
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
  if (event !== undefined && !isByEvent) others.push(`event = ${bind(event)}`)
  if (tenants) others.push(isIn('tenant', bind(list(tenants))))

  const of = (columns: string) =>
    `SELECT ${columns} FROM ${table('audit_entries')} ${where(inside)} ${newestFirst(time)}`
  if (part !== null) inside.push(...others.splice(0))
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
