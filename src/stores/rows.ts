import { z } from 'zod'
import { isPosition, type SenderSelection } from '../revocation/origin.ts'
import { isVerified, Revocation } from '../revocation/revocation.ts'
import { urgencyOf } from '../revocation/schedule.ts'
import type { Unsized } from '../revocation/store/size-store.ts'

/**
 * Columns are derived from the members of `Revocation`: `failingSince` is stored in `failing_since`. Lists and objects
 * are stored as JSON, except these members: each of their own members has a column, with this prefix.
 */
const PREFIXES: Readonly<Record<string, string>> = { user: 'user_', tokens: '', error: 'error_' }

/** The value of a column, in both stores. */
type Cell = string | number | null
export type Row = Record<string, Cell>

interface Column {
  name: string
  /** The member of `Revocation`. */
  member: string
  /** The member of that object, if it has several columns. */
  part: string | null
  encode: (value: unknown) => Cell
  decode: (cell: unknown) => unknown
  /** The value of the column in a row that lacks it; undefined if there is none. */
  absent: Cell | undefined
  /** The name in JSON, with a colon. */
  quoted: string
}

const snakeCase = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** Unwraps defaults and nullable schemas. */
function bare(schema: unknown): unknown {
  return schema instanceof z.ZodDefault || schema instanceof z.ZodNullable ? bare(schema.unwrap()) : schema
}

const PLAIN = { encode: (value: unknown) => (value ?? null) as Cell, decode: (cell: unknown) => cell }
const FLAG = {
  encode: (value: unknown) => (value === true ? 1 : 0),
  decode: (cell: unknown) => Number(cell) === 1,
}
const JSON_TEXT = {
  encode: (value: unknown) => (value === null || value === undefined ? null : JSON.stringify(value)),
  // Rows of earlier versions lack the column: undefined applies the default.
  decode: (cell: unknown) => (typeof cell === 'string' ? JSON.parse(cell) : undefined),
}

function codecOf(schema: unknown) {
  if (schema instanceof z.ZodBoolean) return FLAG
  return schema instanceof z.ZodObject || schema instanceof z.ZodArray ? JSON_TEXT : PLAIN
}

function columnsOf([member, schema]: [string, unknown]): Column[] {
  const prefix = PREFIXES[member]
  const inner = bare(schema)
  const fallback = schema instanceof z.ZodDefault ? schema.parse(undefined) : undefined
  const column = (name: string, codec: typeof PLAIN) => ({
    name,
    member,
    quoted: `${JSON.stringify(name)}:`,
    ...codec,
  })
  if (prefix === undefined || !(inner instanceof z.ZodObject)) {
    const codec = codecOf(inner)
    const absent = fallback === undefined ? undefined : codec.encode(fallback)
    return [{ ...column(snakeCase(member), codec), part: null, absent }]
  }
  return Object.keys(inner.shape).map((part) => {
    // Without any of its parts, an object is null.
    return {
      ...column(`${prefix}${snakeCase(part)}`, PLAIN),
      part,
      absent: fallback === null ? null : undefined,
    }
  })
}

const STORED: readonly Column[] = Object.entries(Revocation.shape).flatMap(columnsOf)

/** Additional columns for the index that claims use. */
const DERIVED = Object.entries({
  urgency: ({ reason }: Revocation) => urgencyOf(reason),
  /** The sender of a held revocation; null for all others. */
  held_by: ({ status, hold }: Revocation) => (status === 'held' && hold ? heldBy(hold.sender) : null),
})

/** The value of `held_by`: the same as long as the sender has the name that it was given, or else the same key. */
export function heldBy({ kind, name, id = '' }: SenderSelection): string {
  return `${kind} ${isPosition(name) && id !== '' ? `[${id}]` : name}`
}

/** The names of all columns of a revocation, in both stores. */
export const COLUMNS: readonly string[] = [
  ...STORED.map(({ name }) => name),
  ...DERIVED.map(([name]) => name),
]

/**
 * The template that every row is copied from. V8 stores the members of an object from JSON.parse at fixed offsets. An
 * object that gets more than a dozen computed members one by one becomes a hash table, which added 13 µs to each
 * accept.
 */
const BLANK: Row = JSON.parse(JSON.stringify(Object.fromEntries(COLUMNS.map((name) => [name, null]))))

/** The column values of a revocation, in the order of `COLUMNS`. */
export function toValues(revocation: Revocation): Cell[] {
  const values = STORED.map((column) => cellOf(revocation, column))
  for (const [, derive] of DERIVED) values.push(derive(revocation))
  return values
}

/** The column values of a revocation, by column name. */
export function toRow(revocation: Revocation): Row {
  const row = { ...BLANK }
  for (const column of STORED) row[column.name] = cellOf(revocation, column)
  for (const [name, derive] of DERIVED) row[name] = derive(revocation)
  return row
}

/** The row of a revocation in JSON, without the columns that have the value of their default. */
export function toShortRow(revocation: Revocation): string {
  const members: string[] = []
  for (const column of STORED) {
    const cell = cellOf(revocation, column)
    if (cell !== column.absent) members.push(`${column.quoted}${JSON.stringify(cell)}`)
  }
  return `{${members.join(',')}}`
}

/** Parses a row of `revocations`, in both stores. Validated because other programs may have changed the table. */
export function toRevocation(row: unknown): Revocation {
  const revocation = Revocation.parse(decoded(row, STORED))
  return { ...revocation, verified: isVerified(revocation) }
}

const UnsizedRow = Revocation.pick({ id: true, user: true, resolved: true, dueAt: true })
const UNSIZED = STORED.filter(({ member }) => member in UnsizedRow.shape)

/** The columns of `toUnsized`, in SQL. Complete rows of a long queue would take most of a survey's time. */
export const UNSIZED_COLUMNS = UNSIZED.map(({ name }) => name).join(', ')

/** Parses a row of `UNSIZED_COLUMNS`, in both stores. */
export function toUnsized(row: unknown): Unsized {
  return UnsizedRow.parse(decoded(row, UNSIZED))
}

function decoded(row: unknown, columns: readonly Column[]): Record<string, unknown> {
  const cells: Record<string, unknown> = Object(row)
  const members: Record<string, unknown> = {}
  for (const { name, member, part, decode } of columns) {
    const value = decode(cells[name])
    members[member] = part === null ? value : withPart(members[member], part, value)
  }
  return members
}

function cellOf(revocation: Revocation, { member, part, encode }: Column): Cell {
  const value: unknown = revocation[member as keyof Revocation]
  return encode(part === null || value === null ? value : (value as Record<string, unknown>)[part])
}

/** Adds a part to an object. If its first part is missing, the object is null. */
function withPart(known: unknown, part: string, value: unknown): unknown {
  if (known === undefined) return value === null || value === undefined ? null : { [part]: value }
  return known === null ? null : Object.assign(known, { [part]: value })
}
