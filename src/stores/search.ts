import { z } from 'zod'
import type { Batch } from '../revocation/batch.ts'
import { lowestIdAt } from '../revocation/id.ts'
import type { Revocation, Status } from '../revocation/revocation.ts'
import type { UserReference } from '../revocation/signal.ts'
import { type Change, type MatchCount, type RevocationQuery, UNENDED } from '../revocation/store.ts'
import type { AuditDialect } from './audit-dialect.ts'

/** Rows that each part of a search reads at most. If they are far apart, each takes 5 µs. */
const WINDOW = 2_000
/** Entries of an index that a count reads at most, if it needs no rows. */
const COUNTED = 5_000

export interface SearchDialect extends Pick<AuditDialect, 'table' | 'parameter' | 'isIn' | 'list'> {
  /** Whether the indexes by sender, source and reason contain only ended revocations. */
  indexesOnlyEnded: boolean
  /** A truth value as a parameter. */
  flag(value: boolean): unknown
  /** The rows of a window with all columns, in `FROM`. `select` returns the statement that selects its ids, or all columns. */
  window(select: (columns: 'id' | '*') => string): string
  /** A column of the window that has the id, and whose order the window is known to have. */
  windowOrder: string
}

/** SQL with the values of its parameters. */
export interface Statement {
  text: string
  values: unknown[]
}

/** A part of a search: rows of one index, newest first. No row is in several parts. */
export interface SearchPart {
  /** The id of the last row to read; no row if all can be read. Null if all rows match. */
  boundary: Statement | null
  /** Up to `limit + 1` rows that match. To be run after `boundary`, so that rows that leave the index hide no others. */
  found(boundary: string | null): Statement
  /** The number of rows that match, among those of the window. */
  count: Statement
  /** A row after those that `count` reads. */
  end: Statement
}

const Count = z.object({ value: z.coerce.number() })

type Bind = (value: unknown) => string
type Condition = (bind: Bind) => string

/** Rows in the order of one index, and the conditions that are checked for each. */
interface Scan {
  from: Relation
  index: Condition[]
  rest: Condition[]
}

/** Where a scan finds revocations. `id` has their order in the index. */
interface Relation {
  table: string
  id: string
  columns: string
}

function allRevocations({ table }: SearchDialect): Relation {
  return { table: table('revocations'), id: 'id', columns: '*' }
}

function membersOfBatches({ table }: SearchDialect): Relation {
  return {
    table: `${table('batch_members')} AS member JOIN ${table('revocations')} AS revocation ON revocation.id = member.revocation_id`,
    id: 'member.revocation_id',
    columns: 'revocation.*',
  }
}

/** A value of an indexed column, and the conditions of this alternative that the index does not serve. */
interface Choice {
  index: Condition
  also: Condition[]
}

/** Which revocations can be changed, by status. */
const CHANGEABLE: Readonly<Record<Change, readonly { status: Status; also: readonly string[] }[]>> = {
  retry: [
    { status: 'failed', also: ['superseded_by IS NULL'] },
    { status: 'completed', also: ['verified = 0', 'verification_due_at IS NULL'] },
    { status: 'queued', also: ['next_attempt_at IS NOT NULL'] },
  ],
  cancel: UNENDED.map((status) => ({ status, also: [] })),
  release: [{ status: 'held', also: [] }],
}

/** The statements of a search. In each part, one condition chooses the index. */
export function searchParts(query: RevocationQuery, dialect: SearchDialect): SearchPart[] {
  const { cursor, since, until, limit } = query
  const build = (text: (bind: Bind) => string): Statement => {
    const values: unknown[] = []
    return { text: text((value) => dialect.parameter(values.push(value))), values }
  }
  return scansOf(query, dialect).map(({ from: { table, id, columns: all }, index, rest }) => {
    const times: Condition[] = []
    if (since !== undefined) times.push((bind) => `${id} >= ${bind(lowestIdAt(since))}`)
    if (until !== undefined) times.push((bind) => `${id} < ${bind(lowestIdAt(until))}`)
    const page = cursor === undefined ? times : [...times, (bind: Bind) => `${id} < ${bind(cursor)}`]
    const rows = (columns: 'id' | '*', conditions: Condition[], bind: Bind) =>
      `SELECT ${columns === '*' ? all : `${id} AS id`} FROM ${table} ${where([...index, ...conditions], bind)} ORDER BY ${id} DESC`
    const window = (conditions: Condition[], bind: Bind, size: number) => {
      const select = (columns: 'id' | '*') => `${rows(columns, conditions, bind)} LIMIT ${size}`
      const selected = rest.length === 0 ? `(${select('id')})` : dialect.window(select)
      return `${selected} AS some_rows ${where(rest, bind)}`
    }
    const counted = rest.length === 0 ? COUNTED : WINDOW
    return {
      found: (boundary) => {
        if (rest.length === 0) return build((bind) => `${rows('*', page, bind)} LIMIT ${bind(limit + 1)}`)
        const range = boundary === null ? page : [...page, (bind: Bind) => `${id} >= ${bind(boundary)}`]
        // Rows may have been added since. Without a limit, PostgreSQL overestimates the range, and would read the whole table.
        // All columns only of the rows that match: SQLite copies each row of the window otherwise.
        return build((bind) => {
          const ids = `SELECT id FROM ${window(range, bind, 2 * WINDOW)} ORDER BY ${dialect.windowOrder} DESC LIMIT ${bind(limit + 1)}`
          return `SELECT * FROM ${dialect.table('revocations')} WHERE id IN (${ids}) ORDER BY id DESC`
        })
      },
      boundary:
        rest.length === 0 ? null : build((bind) => `${rows('id', page, bind)} LIMIT 1 OFFSET ${WINDOW - 1}`),
      count: build((bind) => `SELECT count(*) AS value FROM ${window(times, bind, counted)}`),
      end: build((bind) => `${rows('id', times, bind)} LIMIT 1 OFFSET ${counted}`),
    }
  })
}

function where(conditions: readonly Condition[], bind: Bind): string {
  return conditions.length === 0 ? '' : `WHERE ${conditions.map((one) => one(bind)).join(' AND ')}`
}

/** A condition that can choose the index: one of the choices must apply. */
interface Key {
  choices: Choice[]
  onlyEnded?: boolean
  isCommon?: boolean
  /** The members of this batch: their index is another table's. */
  members?: Batch
}

/** The most selective condition chooses the index. The ids are in the order of each index. */
function scansOf(query: RevocationQuery, dialect: SearchDialect): Scan[] {
  const { indexesOnlyEnded: onlyEnded } = dialect
  const { ids, user, batch, code, outcome, senders, source, reason, tenant, tenants } = query
  const { isIn, list } = dialect
  const keys: Key[] = [
    ...(ids ? [{ choices: [{ index: (bind: Bind) => isIn('id', bind(list(ids))), also: [] }] }] : []),
    ...(user ? [{ choices: [{ index: ofUser(user, dialect), also: [] }] }] : []),
    ...(batch ? [{ choices: [{ index: isMember(batch, dialect), also: [] }], members: batch }] : []),
    ...given('error_code', code),
    ...given('outcome', outcome, { isCommon: outcome === 'revoked' }),
    ...ofStatus(query, dialect),
    ...given('reason', reason, { onlyEnded, isCommon: reason === 'logout' }),
    ...(senders ? [{ choices: senders.map((one) => is('sender', one)), onlyEnded }] : []),
    ...given('source', source, { onlyEnded }),
    ...given('tenant', tenant, { onlyEnded }),
    ...(tenants?.length === 1 ? given('tenant', tenants[0], { onlyEnded }) : []),
  ]
  const [first, ...more] = [...keys.filter((one) => !one.isCommon), ...keys.filter((one) => one.isCommon)]
  const rest = [...more.map(({ choices }) => anyOf(choices)), ...unindexed(query, dialect)]
  const from = allRevocations(dialect)
  if (!first) return [{ from, index: [], rest }]
  if (first.members) return [{ from: membersOfBatches(dialect), index: ofBatch(first.members), rest }]
  const scans = first.choices.map(({ index, also }) => ({ from, index: [index], rest: [...also, ...rest] }))
  if (!first.onlyEnded) return scans
  // The index by status does not have the time.
  const unended = UNENDED.map((one) => ({
    from,
    index: [is('status', one).index],
    rest: [() => 'completed_at IS NULL', anyOf(first.choices), ...rest],
  }))
  return [
    ...scans.map(({ index, rest }) => ({ from, index: [...index, () => 'completed_at IS NOT NULL'], rest })),
    ...unended,
  ]
}

function ofStatus({ status, change }: RevocationQuery, { indexesOnlyEnded }: SearchDialect) {
  // PostgreSQL has no index of queued revocations by id.
  const isCommon = (one: Status | undefined) => one === 'completed' || (one === 'queued' && !indexesOnlyEnded)
  if (change === undefined) return given('status', status, { isCommon: isCommon(status) })
  const states = CHANGEABLE[change].filter((one) => status === undefined || one.status === status)
  if (states.length === 0) return [{ choices: [{ index: () => '1 = 0', also: [] }] }]
  const choices = states.map(({ status: one, also }) => ({
    ...is('status', one),
    also: also.map((condition) => () => condition),
  }))
  return [{ choices, isCommon: states.some((one) => isCommon(one.status)) }]
}

function given(column: string, value: unknown, options: { isCommon?: boolean; onlyEnded?: boolean } = {}) {
  return value === undefined ? [] : [{ choices: [is(column, value)], ...options }]
}

function is(column: string, value: unknown): Choice {
  return { index: (bind) => `${column} = ${bind(value)}`, also: [] }
}

function anyOf(choices: readonly Choice[]): Condition {
  const all = ({ index, also }: Choice, bind: Bind) => [index, ...also].map((one) => one(bind)).join(' AND ')
  return (bind) => `(${choices.map((one) => all(one, bind)).join(' OR ')})`
}

function unindexed(
  { tenants, superseded, byUserId }: RevocationQuery,
  { isIn, list, flag }: SearchDialect,
): Condition[] {
  const conditions: Condition[] = []
  // One parameter for all tenants: there can be thousands, and the statement stays the same.
  if (tenants && tenants.length !== 1) conditions.push((bind) => isIn('tenant', bind(list(tenants))))
  if (superseded !== undefined)
    conditions.push((bind) => `(superseded_by IS NOT NULL) = ${bind(flag(superseded))}`)
  if (byUserId !== undefined) conditions.push((bind) => `(user_kind = 'userId') = ${bind(flag(byUserId))}`)
  return conditions
}

function ofBatch({ tenant, id }: Batch): Condition[] {
  return [is('member.tenant', tenant).index, is('member.batch', id).index]
}

function isMember(batch: Batch, { table }: SearchDialect): Condition {
  return (bind) => `EXISTS (SELECT 1 FROM ${table('batch_members')} AS member
    ${where([...ofBatch(batch), () => 'member.revocation_id = id'], bind)})`
}

function ofUser({ kind, value }: UserReference, { table }: SearchDialect): Condition {
  return (bind) => {
    const name = bind(value)
    const named = `SELECT id FROM ${table('revocations')} WHERE user_value = ${name} AND user_kind = ${bind(kind)}`
    if (kind !== 'userId') return `id IN (${named})`
    return `id IN (${named} UNION ALL SELECT revocation_id FROM ${table('resolved_users')} WHERE user_id = ${name})`
  }
}

/** The rows that the parts of a search found, and the id of the last row that each has read; null if it has read all. */
export type FoundParts = readonly { found: Revocation[]; boundary: string | null }[]

/** A page ends where the first part has ended. */
export function pageOf(parts: FoundParts, limit: number): { items: Revocation[]; nextCursor: string | null } {
  const ends = parts.flatMap(({ found, boundary }) => (found.length > limit || !boundary ? [] : [boundary]))
  const end = ends.reduce((latest, one) => (one > latest ? one : latest), '')
  const all = parts.flatMap(({ found }) => found).filter(({ id }) => id >= end)
  all.sort((one, other) => (one.id < other.id ? 1 : -1))
  const items = all.slice(0, limit)
  return { items, nextCursor: all.length > limit ? (items.at(-1)?.id ?? null) : end || null }
}

/** @param parts what `count` and `end` of each part found */
export function countOf(parts: readonly { count: unknown; end: unknown }[]): MatchCount {
  return {
    value: parts.reduce((sum, { count }) => sum + Count.parse(count).value, 0),
    isExact: parts.every(({ end }) => end === undefined),
  }
}
