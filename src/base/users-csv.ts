import { isUtf8 } from 'node:buffer'
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { type CsvError, type Info, parse } from 'csv-parse'
import { type NamedUser, type NameKind, problemWith, userNamed } from './user-name.ts'

export interface BrokenLine {
  line: number
  problem: string
}

export interface CsvUsers {
  /** Each once. */
  users: NamedUser[]
  /** How many lines name a user again. */
  duplicates: number
  /** The first ones. */
  broken: BrokenLine[]
  /** How many there are. */
  brokenCount: number
}

/** Fewer than a batch has room for: a resumed run may send a part again, whose users are counted twice. */
export const MAX_USERS = 99_000
/** More are only counted. */
const BROKEN_KEPT = 50
/** Reading one takes a few ms. */
const PART_BYTES = 16 * 1024

/** The headings of each column, in lower case without separators. If a line has several names, the first kind counts. */
const COLUMNS: ReadonlyArray<readonly [NameKind, readonly string[]]> = [
  ['userId', ['userid', 'id', 'qlikuserid']],
  ['subject', ['subject', 'sub', 'idpsubject']],
  ['email', ['email', 'emailaddress', 'mail']],
]

/**
 * Users in a CSV file: with a heading, in the columns `userId`, `subject` or `email`; without one, in its only column.
 * Separators are comma, semicolon or tab; fields can be quoted (RFC 4180). Reads in parts, so that a service answers other
 * requests in the meantime. Stops at one user more than `MAX_USERS`.
 * @param kind of the names, or null for their column or form
 */
export async function readUsersCsv(bytes: Uint8Array, kind: NameKind | null): Promise<CsvUsers> {
  const broken = new BrokenLines()
  const users = new Map<string, NamedUser>()
  let duplicates = 0
  if (isUtf8(bytes)) {
    const read = readerOf(kind, broken)
    for await (const { record, line } of rowsIn(bytes, broken)) {
      const user = read(record)
      if (user === null) continue
      if (typeof user === 'string') broken.add(line, user)
      else {
        const key = JSON.stringify(user)
        if (users.has(key)) duplicates += 1
        users.set(key, user)
      }
      if (users.size > MAX_USERS) break
    }
  } else broken.add(1, 'the file is not UTF-8')
  return { users: [...users.values()], duplicates, broken: broken.first, brokenCount: broken.count }
}

/** A user, a problem, or null for the heading. */
type Reading = NamedUser | string | null

/** Reads one line after another. */
function readerOf(kind: NameKind | null, broken: BrokenLines): (record: readonly string[]) => Reading {
  let columns: Column[] | null | undefined
  return (record) => {
    if (columns === undefined) {
      const heading = columnsOf(record)
      columns = kind === null ? heading : (heading?.filter((column) => column.kind === kind) ?? null)
      if (columns?.length === 0) broken.add(1, `the heading has no column ${kind}`)
      if (heading) return null
    }
    return columns ? userInColumns(record, columns) : userAlone(record, kind)
  }
}

class BrokenLines {
  count = 0
  readonly #kept: BrokenLine[] = []

  add(line: number, problem: string): void {
    this.count += 1
    if (this.#kept.length < BROKEN_KEPT) this.#kept.push({ line, problem })
  }

  get first(): BrokenLine[] {
    return this.#kept.toSorted((one, other) => one.line - other.line)
  }
}

interface Row {
  record: string[]
  line: number
}

async function* rowsIn(bytes: Uint8Array, broken: BrokenLines): AsyncGenerator<Row> {
  const parser = parse({
    bom: true,
    delimiter: [',', ';', '\t'],
    trim: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error: CsvError | undefined) => {
      if (error) broken.add(Number(error.lines ?? 0), problemOf(error))
      return undefined
    },
  })
  const rows: AsyncIterable<{ record: string[]; info: Info }> = Readable.from(inParts(bytes)).pipe(parser)
  for await (const { record, info } of rows) yield { record, line: info.lines }
}

async function* inParts(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += PART_BYTES) {
    yield bytes.subarray(start, start + PART_BYTES)
    await setImmediate()
  }
}

function problemOf({ code }: CsvError): string {
  return /QUOTE/.test(code) ? 'a quote is not closed, or is in the middle of a field' : `not CSV (${code})`
}

interface Column {
  kind: NameKind
  index: number
}

/** The columns that a heading names, or null if the first line is not a heading. */
function columnsOf(record: readonly string[]): Column[] | null {
  const names = record.map((cell) => cell.toLowerCase().replaceAll(/[\s_-]/g, ''))
  const columns = COLUMNS.flatMap(([kind, known]) => {
    const index = names.findIndex((name) => known.includes(name))
    return index === -1 ? [] : [{ kind, index }]
  })
  return columns.length > 0 ? columns : null
}

function userInColumns(record: readonly string[], columns: readonly Column[]): NamedUser | string {
  const found = columns.find(({ index }) => (record[index] ?? '') !== '')
  if (!found) return 'the line names no user'
  const name = record[found.index] ?? ''
  return problemIn(name) ?? mistakeIn(found.kind, name) ?? { [found.kind]: name }
}

function userAlone(record: readonly string[], kind: NameKind | null): NamedUser | string {
  const [name = '', ...others] = record
  if (others.some((cell) => cell !== ''))
    return 'expected one column, or a heading with userId, subject or email'
  const user = userNamed(name, kind)
  return problemIn(name) ?? (user.email === undefined ? user : (mistakeIn('email', name) ?? user))
}

/** Browsers put U+FFFD in the place of bytes that are not UTF-8. */
function problemIn(name: string): string | null {
  return name.includes('\uFFFD') ? 'the file is not UTF-8' : problemWith(name)
}

function mistakeIn(kind: NameKind, name: string): string | null {
  return kind === 'email' && !/^[^\s@]+@[^\s@]+$/.test(name) ? 'not an e-mail address' : null
}
