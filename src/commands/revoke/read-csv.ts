import { type CsvError, type Info, parse } from 'csv-parse/sync'
import { type NameKind, problemWith, userNamed } from '../../cli/user.ts'
import type { User } from '../../client/client.ts'

export interface BrokenLine {
  line: number
  problem: string
}

export interface CsvUsers {
  users: User[]
  broken: BrokenLine[]
}

/** The headings of each column, in lower case without separators. If a line has several names, the first kind counts. */
const COLUMNS: ReadonlyArray<readonly [NameKind, readonly string[]]> = [
  ['userId', ['userid', 'id', 'qlikuserid']],
  ['subject', ['subject', 'sub', 'idpsubject']],
  ['email', ['email', 'emailaddress', 'mail']],
]

/**
 * Users in a CSV file: with a heading, in the columns `userId`, `subject` or `email`; without one, in its only column.
 * Separators are comma, semicolon or tab; fields can be quoted (RFC 4180).
 * @param kind of the names, or null for their column or form
 */
export function readUsersCsv(bytes: Uint8Array, kind: NameKind | null): CsvUsers {
  const broken: BrokenLine[] = []
  const text = decode(bytes)
  if (text === null) return { users: [], broken: [{ line: 1, problem: 'the file is not UTF-8' }] }
  const rows = rowsIn(text, broken)
  const heading = columnsOf(rows[0]?.record ?? [])
  const data = heading ? rows.slice(1) : rows
  const columns = kind === null ? heading : heading?.filter((column) => column.kind === kind)
  if (columns?.length === 0) broken.push({ line: 1, problem: `the heading has no column ${kind}` })
  const users = new Map<string, User>()
  for (const { record, line } of data) {
    const user = columns ? userInColumns(record, columns) : userAlone(record, kind)
    if (typeof user === 'string') broken.push({ line, problem: user })
    else users.set(JSON.stringify(user), user)
  }
  return { users: [...users.values()], broken: broken.sort((one, other) => one.line - other.line) }
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

interface Row {
  record: string[]
  line: number
}

function rowsIn(text: string, broken: BrokenLine[]): Row[] {
  const rows = parse(text, {
    bom: true,
    delimiter: [',', ';', '\t'],
    trim: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error: CsvError | undefined) => {
      if (error) broken.push({ line: Number(error.lines ?? 0), problem: problemOf(error) })
      return undefined
    },
  }) as unknown as { record: string[]; info: Info }[]
  return rows.map(({ record, info }) => ({ record, line: info.lines }))
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

function userInColumns(record: readonly string[], columns: readonly Column[]): User | string {
  const found = columns.find(({ index }) => (record[index] ?? '') !== '')
  if (!found) return 'the line names no user'
  const name = record[found.index] ?? ''
  return problemWith(name) ?? mistakeIn(found.kind, name) ?? { [found.kind]: name }
}

function userAlone(record: readonly string[], kind: NameKind | null): User | string {
  const [name = '', ...others] = record
  if (others.some((cell) => cell !== ''))
    return 'expected one column, or a heading with userId, subject or email'
  const user = userNamed(name, kind)
  return problemWith(name) ?? (user.email === undefined ? user : (mistakeIn('email', name) ?? user))
}

function mistakeIn(kind: NameKind, name: string): string | null {
  return kind === 'email' && !/^[^\s@]+@[^\s@]+$/.test(name) ? 'not an e-mail address' : null
}
