import { globSync } from 'node:fs'
import t from 'tap'
import { ROOT, read } from '../support/deployment.ts'

/** A call of the log in the source: level, message, and the names of its fields as far as they stand there. */
interface LogCall {
  level: string
  message: string
  fields: string[]
  /** Whether these are all fields. */
  isComplete: boolean
  place: string
}

const TEXT = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"/
const textOf = (literal: string) => {
  const [, single, double] = TEXT.exec(literal) ?? []
  return (single ?? double)?.replaceAll(/\\(.)/g, '$1')
}

/** The parts between commas that stand in no brackets and in no text, up to the closing bracket. */
function partsOf(code: string): string[] {
  const parts = ['']
  let depth = 0
  for (let at = 0; at < code.length; at += 1) {
    const [literal] = /^(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)/.exec(code.slice(at)) ?? []
    const character = literal ?? String(code[at])
    if (/^[([{]$/.test(character)) depth += 1
    if (/^[)\]}]$/.test(character)) depth -= 1
    if (depth < 0) break
    if (character === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += character
    at += character.length - 1
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}

/** The names of an object's members. */
function fieldsOf(argument: string | undefined, before: string): Pick<LogCall, 'fields' | 'isComplete'> {
  if (argument === undefined) return { fields: [], isComplete: true }
  if (/^\w+$/.test(argument)) {
    const [, body] = before.split(`const ${argument} = {`)
    if (body === undefined) return { fields: [], isComplete: false }
    return fieldsOf(`{${before.slice(before.lastIndexOf(`const ${argument} = {`)).split('= {')[1]}`, '')
  }
  if (!argument.startsWith('{')) return { fields: [], isComplete: false }
  const members = partsOf(argument.slice(1))
  const fields = members.flatMap((member) => /^(\w+)(?=:|$)/.exec(member)?.[1] ?? [])
  return { fields, isComplete: members.length === fields.length }
}

/** Calls of `log.info`, `log.warn` and `log.error`, and messages that reach them by a variable. */
function callsIn(file: string): LogCall[] {
  const code = read(file)
  const calls: LogCall[] = []
  for (const match of code.matchAll(/\blog\.(info|warn|error|fatal)\(/gi)) {
    const before = code.slice(0, match.index)
    const place = `${file}:${before.split('\n').length}`
    const parts = partsOf(code.slice(match.index + match[0].length))
    const level = String(match[1])
    const message = textOf(String(parts.at(-1)))
    if (message !== undefined)
      calls.push({ level, message, place, ...fieldsOf(parts.length > 1 ? parts[0] : undefined, before) })
    else if (parts.at(-1) !== 'message')
      throw new Error(`${place}: the message of a log line must be a constant.`)
  }
  // Those that `OptionalRequests` and others get as a parameter.
  const passed = /(?:\bconst message =\s*|\.attempt\(\s*)(?=['"])/g
  const takesMessages = /\.attempt\(|log\.\w+\(\w+, message\)/.test(code)
  for (const match of takesMessages ? code.matchAll(passed) : []) {
    const message = textOf(code.slice(match.index + match[0].length))
    const place = `${file}:${code.slice(0, match.index).split('\n').length}`
    if (message !== undefined) calls.push({ level: 'warn', message, fields: [], isComplete: false, place })
  }
  return calls
}

const CALLS = globSync('src/**/*.ts', { cwd: ROOT, exclude: ['src/sandbox/**'] }).flatMap(callsIn)
const ROWS = [
  ...read('docs/reference/log-events.md').matchAll(/^\| (\S.*) \| (info|warn|error) \| (.*?) \| \S/gm),
].map(([, message, level, fields]) => ({
  message: String(message),
  level: String(level),
  fields: [...String(fields).matchAll(/`(\w+)`/g)].map(([, field]) => String(field)),
}))

t.test('the page lists every message of the log, with its level, and no other', async (t) => {
  t.ok(CALLS.length > 40)
  const missing = CALLS.filter(
    (call) => !ROWS.some((row) => row.message === call.message && row.level === call.level),
  )
  const stale = ROWS.filter(
    (row) => !CALLS.some((call) => row.message === call.message && row.level === call.level),
  )
  for (const { message, level, fields, place } of missing) {
    const cell = fields.map((field) => `\`${field}\``).join(', ') || '–'
    t.comment(`| ${message} | ${level} | ${cell} | WHEN | WHAT TO DO |`)
    t.fail(`${place}: "${message}" (${level}) has no row`)
  }
  for (const { message, level } of stale) t.fail(`"${message}" (${level}) is logged nowhere`)
})

t.test('the page names the fields of each message', async (t) => {
  for (const row of ROWS) {
    const calls = CALLS.filter((call) => row.message === call.message && row.level === call.level)
    const known = new Set(calls.flatMap(({ fields }) => fields))
    for (const field of known) t.ok(row.fields.includes(field), `${row.message}: ${field} is missing`)
    if (calls.every(({ isComplete }) => isComplete))
      for (const field of row.fields) t.ok(known.has(field), `${row.message}: there is no ${field}`)
  }
})
