import type { LoggerOptions } from 'pino'
import { CurfewError } from './errors.ts'
import { QlikFailure } from './revocation/qlik-tenant.ts'

/**
 * How Curfew logs: JSON lines by pino. Requests and responses are not logged, since paths hold user ids; errors
 * only in the parts that cannot hold anything of a request or of Qlik's answers.
 */
export function loggerOptions(level: string): LoggerOptions {
  return { level, base: null, serializers: { err: safeError } }
}

/** Texts of errors that are not Curfew's own may repeat what was sent: a JSON error quotes the body. */
export function safeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error }
  const isOwn = error instanceof CurfewError || error instanceof QlikFailure
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  const stack = (error.stack ?? '').split('\n').filter((line) => /^ +at /.test(line))
  return {
    type: error.name,
    ...code,
    ...(isOwn ? { message: error.message } : {}),
    stack: stack.join('\n'),
    ...(error.cause === undefined ? {} : { cause: safeError(error.cause) }),
  }
}
