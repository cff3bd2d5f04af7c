import pino, { type LogFn, type LoggerOptions } from 'pino'
import { CurfewError, type ErrorCode, OwnError } from './errors.ts'

/** Where lines of the log go: what happened, without names of users, and a message that is always the same. */
export interface Log {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

/**
 * How Curfew logs: JSON lines by pino. Requests and responses are not logged, since paths hold user ids; errors
 * only in the parts that cannot hold anything of a request or of Qlik's answers.
 */
export function loggerOptions(level: string): LoggerOptions {
  return {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: (error: unknown) => safeError(error) },
    hooks: { logMethod: calmly() },
  }
}

const OUTAGE_LINE_EVERY_MS = 1_000

/**
 * While the database is away, or the keys of a source, every request and every run fails for the same reason. Of each
 * message, and source, one line a second is written then; the next one tells how many were left out.
 */
function calmly(): (this: object, line: Parameters<LogFn>, write: LogFn) => void {
  const told = new Map<string, { at: number; leftOut: number }>()
  return function (line, write) {
    const [details, message]: unknown[] = line
    if (!isOutage(details)) return write.apply(this, line)
    const now = performance.now()
    const about = `${message} ${details.source ?? ''}`
    const last = told.get(about)
    if (last && now - last.at < OUTAGE_LINE_EVERY_MS) {
      last.leftOut += 1
      return
    }
    told.set(about, { at: now, leftOut: 0 })
    write.apply(this, [{ ...details, ...(last?.leftOut ? { leftOut: last.leftOut } : {}) }, String(message)])
  }
}

const OUTAGES: readonly ErrorCode[] = ['CURFEW_STORE_UNAVAILABLE', 'CURFEW_KEYS_UNAVAILABLE']

function isOutage(details: unknown): details is { err: CurfewError; source?: string } {
  const error = typeof details === 'object' && details !== null && 'err' in details ? details.err : null
  return error instanceof CurfewError && OUTAGES.includes(error.code)
}

/** An error may be its own cause. */
const CAUSES_AT_MOST = 5

/** Texts of errors that are not Curfew's own may repeat what was sent: a JSON error quotes the body. */
export function safeError(error: unknown, depth = 0): object {
  if (!(error instanceof Error)) return { type: typeof error }
  const isOwn = error instanceof OwnError
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  // The stack begins with the message, which may hold lines that look like places.
  const places = (error.stack ?? '').replace(error.message, '').split('\n')
  const stack = places.filter((line) => /^ +at /.test(line))
  return {
    type: error.name,
    ...code,
    ...(isOwn ? { message: error.message } : {}),
    stack: stack.join('\n'),
    ...(error.cause === undefined || depth === CAUSES_AT_MOST
      ? {}
      : { cause: safeError(error.cause, depth + 1) }),
  }
}
