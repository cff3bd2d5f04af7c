import type { LoggerOptions } from 'pino'
import { CurfewError } from './errors.ts'
import { QlikFailure } from './revocation/qlik-tenant.ts'

/**
 * How Curfew logs: JSON lines by pino. Requests and responses are not logged, since paths hold user ids; errors
 * only in the parts that cannot hold anything of a request or of Qlik's answers.
 */
export function loggerOptions(level: string): LoggerOptions {
  return { level, base: null, serializers: { err: (error: unknown) => safeError(error) } }
}

/** An error may be its own cause. */
const CAUSES_AT_MOST = 5

/** Texts of errors that are not Curfew's own may repeat what was sent: a JSON error quotes the body. */
export function safeError(error: unknown, depth = 0): object {
  if (!(error instanceof Error)) return { type: typeof error }
  const isOwn = error instanceof CurfewError || error instanceof QlikFailure
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
