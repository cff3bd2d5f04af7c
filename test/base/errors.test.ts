import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CurfewError, ERRORS, type ErrorCode, invalidMember } from '../../src/base/errors.ts'

const ROOT = join(import.meta.dirname, '../..')

/** The rows of the table in docs/errors.md, by code. */
function documented(): Map<string, string[]> {
  const document = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')
  const rows = [...document.matchAll(/^\| `(CURFEW_[A-Z_]+)` \| (.*) \|$/gm)]
  return new Map(
    rows.map(([, code, cells]) => [String(code), String(cells).replaceAll('\\_', '_').split(' | ')]),
  )
}

t.test('docs/errors.md lists the same codes, with the same statuses and texts', async (t) => {
  const rows = documented()
  t.same([...rows.keys()].sort(), Object.keys(ERRORS).sort())
  for (const [code, { status, title, action }] of Object.entries(ERRORS)) {
    t.same(rows.get(code), [String(status ?? '–'), title, action], code)
  }
})

t.test('every code has the prefix of Curfew, an error status and an action', async (t) => {
  for (const [code, { status, title, action }] of Object.entries(ERRORS)) {
    t.match(code, /^CURFEW_[A-Z]+(_[A-Z]+)*$/)
    t.ok(status === null || (status >= 400 && status < 600), code)
    t.match(title, /^[A-Z][^.]+$/)
    t.match(action, /^[A-Z].+\.$/)
  }
})

t.test('every code is in use', async (t) => {
  const sources = globSync('src/**/*.ts', { cwd: ROOT, exclude: ['src/base/error-table/*.ts'] })
  const text = sources.map((path) => readFileSync(join(ROOT, path), 'utf8')).join('\n')
  for (const code of Object.keys(ERRORS)) t.ok(text.includes(`'${code}'`), code)
})

t.test('an error has the title of its code as message unless it has a detail', async (t) => {
  const codes = Object.keys(ERRORS) as ErrorCode[]
  for (const code of codes)
    t.match(new CurfewError(code), { name: 'CurfewError', code, message: ERRORS[code].title })
  const cause = new Error('the cause')
  t.match(new CurfewError('CURFEW_STORE_UNAVAILABLE', 'more', { cause, retryAfterSeconds: 5 }), {
    message: 'more',
    cause,
    retryAfterSeconds: 5,
    members: [],
  })
  t.match(new CurfewError('CURFEW_INTERNAL'), { retryAfterSeconds: null })
  t.match(invalidMember('/userId', 'expected a string'), {
    code: 'CURFEW_REQUEST_INVALID',
    members: [{ member: '/userId', expected: 'expected a string' }],
  })
})
