import pino, { type LogFn, type LoggerOptions } from 'pino'
import { CurfewError, ERRORS, type ErrorCode, isErrorCode, OwnError } from './errors.ts'

/**
 * Writes lines to the log. `details` hold no user names; the message is constant, so that operators can search for it.
 */
export interface Log {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

/**
 * Curfew's pino options: JSON lines. Requests and answers are not logged, because paths hold user ids. Errors are
 * logged without content of requests or of Qlik's responses (`safeError`).
 * @param fields adds members to every line; none by default
 */
export function loggerOptions(level: string, fields?: () => object): LoggerOptions {
  return {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: (error: unknown) => safeError(error) },
    hooks: { logMethod: logMethod() },
    ...(fields ? { mixin: fields } : {}),
  }
}

/** The destination of the log. */
export interface LogStream {
  write(line: string): void
}

/** A stream of log lines that may be a terminal. */
interface Output extends LogStream {
  isTTY?: boolean
}

/**
 * A stream that formats the log for people, if the output is a terminal. Otherwise undefined: the log stays JSON, and
 * pino-pretty is not loaded.
 */
export async function terminalLog(output: Output): Promise<LogStream | undefined> {
  if (!output.isTTY) return undefined
  const { prettyFactory } = await import('pino-pretty')
  const format = prettyFactory({ singleLine: true })
  // Not pino-pretty's own stream: it writes later, and would lose the last lines when the process exits.
  return { write: (line) => output.write(format(line)) }
}

/** pino's number for the level. */
const WARN = 40
const OUTAGE_LINE_EVERY_MS = 1_000

/**
 * Adds the `action` of the error table to warnings and errors. During an outage of the database, or of a source's keys,
 * every request and run fails for the same reason: each message is written once per second and source, and `leftOut`
 * counts the lines suppressed since the previous one.
 */
function logMethod(): (this: object, line: Parameters<LogFn>, write: LogFn, level: number) => void {
  const written = new Map<string, { at: number; leftOut: number }>()
  return function (line, write, level) {
    const [details, message]: unknown[] = line
    const code = codeOf(details)
    if (!isObject(details) || code === null || level < WARN) return write.apply(this, line)
    const { action } = ERRORS[code]
    if (!isOutage(details)) return write.apply(this, [{ ...details, action }, String(message ?? '')])
    const now = performance.now()
    const key = `${message} ${details.source ?? ''}`
    const last = written.get(key)
    if (last && now - last.at < OUTAGE_LINE_EVERY_MS) {
      last.leftOut += 1
      return
    }
    written.set(key, { at: now, leftOut: 0 })
    const leftOut = last?.leftOut ? { leftOut: last.leftOut } : {}
    write.apply(this, [{ ...details, action, ...leftOut }, String(message)])
  }
}

const OUTAGES: readonly ErrorCode[] = ['CURFEW_STORE_UNAVAILABLE', 'CURFEW_KEYS_UNAVAILABLE']

function isOutage(details: object): details is { err: CurfewError; source?: string } {
  return 'err' in details && details.err instanceof CurfewError && OUTAGES.includes(details.err.code)
}

/** The error code in the details of a line; null if there is none. */
function codeOf(details: unknown): ErrorCode | null {
  if (!isObject(details)) return null
  if ('err' in details && details.err instanceof CurfewError) return details.err.code
  return 'code' in details && isErrorCode(details.code) ? details.code : null
}

function isObject(details: unknown): details is object {
  return typeof details === 'object' && details !== null && !(details instanceof Error)
}

/** Limited, because an error may be its own cause. */
const MAX_CAUSES = 5

/**
 * An error for the log. Messages of other software are omitted, because they may quote input: JSON errors quote the
 * body.
 */
export function safeError(error: unknown, depth = 0): object {
  if (!(error instanceof Error)) return { type: typeof error }
  const isOwn = error instanceof OwnError
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  // The stack begins with the message, which may contain lines that look like stack frames.
  const frames = (error.stack ?? '').replace(error.message, '').split('\n')
  const stack = frames.filter((line) => /^ +at /.test(line))
  return {
    type: error.name,
    ...code,
    ...(isOwn ? { message: error.message } : {}),
    stack: stack.join('\n'),
    ...(error.cause === undefined || depth === MAX_CAUSES
      ? {}
      : { cause: safeError(error.cause, depth + 1) }),
  }
}
