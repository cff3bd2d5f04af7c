import { ERRORS, type ErrorCode } from '../../src/base/errors.ts'
import type { FuzzCase } from './request.ts'
import type { Answer } from './send.ts'

/** Limits that the documentation describes; each has Retry-After. */
const LIMITS: readonly ErrorCode[] = [
  'CURFEW_OVERLOADED',
  'CURFEW_KEY_LOOKUP_DEFERRED',
  'CURFEW_QLIK_RATE_LIMITED',
  'CURFEW_DRY_RUN_TIMEOUT',
]
/** The descriptions of the first three in the protocols of sources. */
const LIMIT_TEXTS = /overloaded|cannot be fetched again yet|rate limit/
/** Routes with effects. */
const GUARDED = /^\/(logout-hook|users|revocations|sessions|config|backups|sources|audit|erasures)\b/
const LEAKS = /\bat .*\.(ts|js):\d+|node_modules|node:internal|[A-Za-z]+Error:/

/** What is wrong with the responses to a request. */
export function faultsOf(
  { isAuthentic, isRaw, method, path }: FuzzCase,
  answers: readonly Answer[],
): string[] {
  if (!isRaw && answers.length !== 1) return [`${answers.length} responses`]
  return answers.flatMap((answer) => {
    const { status, body } = answer
    const isGuarded = !isRaw && !isAuthentic && GUARDED.test(path) && method !== 'OPTIONS'
    return [
      ...(Number.isInteger(status) && status >= 200 && status < 600 ? [] : ['no valid status']),
      ...(isGuarded && status < 400 ? [`status ${status} without authentication`] : []),
      ...(status >= 500 && !isLimit(answer) ? [`status ${status}`] : []),
      ...(status >= 400 && !isError(answer, path, isRaw, method)
        ? [`the error ${status} has another form: ${answer.headers['content-type']} ${body.slice(0, 200)}`]
        : []),
      ...(status >= 400 && LEAKS.test(body) ? ['the error shows internals'] : []),
    ]
  })
}

function isLimit({ status, headers, body }: Answer): boolean {
  if (status !== 503 || !/^\d+$/.test(headers['retry-after'] ?? '')) return false
  const { code, error, err, description } = membersOf(body)
  if (code !== undefined) return LIMITS.some((limit) => limit === code)
  // The protocols of sources have no room for codes.
  const text = String(membersOf(body).error_description ?? description)
  return (error === 'temporarily_unavailable' || err !== undefined) && LIMIT_TEXTS.test(text)
}

/** Whether an error has the form of RFC 9457, or that of the source's protocol. */
function isError({ status, headers, body }: Answer, path: string, isRaw: boolean, method: string): boolean {
  const type = headers['content-type'] ?? ''
  if (method === 'HEAD') return /json/.test(type)
  const { title, detail, code, action, ...rest } = membersOf(body)
  if (/^application\/problem\+json/.test(type)) {
    const isKnown = typeof code === 'string' && Object.hasOwn(ERRORS, code)
    return (
      isKnown && rest.status === status && [title, detail, action].every((text) => typeof text === 'string')
    )
  }
  if (!/^application\/json/.test(type) || !(isRaw || path.startsWith('/sources/'))) return false
  const { error, error_description, err, description } = membersOf(body)
  const [name, text] = error === undefined ? [err, description] : [error, error_description]
  return typeof name === 'string' && typeof text === 'string' && name !== '' && text !== ''
}

function membersOf(body: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(body))
  } catch {
    return {}
  }
}
