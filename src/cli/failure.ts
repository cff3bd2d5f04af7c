import { CurfewError, ERRORS, hasCode, UsageError } from '../base/errors.ts'
import { CurfewApiError } from '../client/client.ts'
import { CommandError } from './command-error.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { printable } from './terminal.ts'

/** How a command reports an error. */
export interface Failure {
  exitCode: ExitCode
  code: string | null
  /** What happened, and what to do. */
  message: string
}

export function failureOf(error: unknown): Failure {
  if (error instanceof UsageError) return { exitCode: EXIT.usage, code: null, message: error.message }
  if (error instanceof CommandError)
    return { exitCode: error.exitCode, code: error.code, message: error.message }
  if (error instanceof CurfewError) return failureOfCurfew(error)
  if (error instanceof CurfewApiError) return failureOfCall(error)
  const text = error instanceof Error ? error.message : String(error)
  return { exitCode: EXIT.internal, code: null, message: `Unexpected error: ${text}` }
}

function failureOfCurfew(error: CurfewError): Failure {
  const exitCode = hasCode(error, 'CURFEW_CONFIG_INVALID') ? EXIT.config : EXIT.temporary
  return { exitCode, code: error.code, message: `${error.code}: ${error.message}` }
}

function failureOfCall(error: CurfewApiError): Failure {
  const { code, status } = error
  const invalid = error.errors
    .map(({ member, expected }) => `\n  ${printable(member)}: ${printable(expected)}`)
    .join('')
  const action = printable(error.action ?? actionFor(error))
  const message = `${printable(code)}: ${printable(error.message)}${invalid}${action ? `\n${action}` : ''}`
  return { exitCode: exitCodeFor(status), code, message }
}

function exitCodeFor(status: number | null): ExitCode {
  if (status === null) return EXIT.unavailable
  if (status === 401 || status === 403) return EXIT.denied
  if (status === 429 || status >= 500) return EXIT.temporary
  return EXIT.data
}

function actionFor({ code, status }: CurfewApiError): string {
  if (status === null) return 'Check that Curfew runs, and that CURFEW_URL is its address.'
  if (code === 'CURFEW_NOT_FOUND')
    return 'If OPS_PORT is set, CURFEW_URL must be the address of the operators’ listener.'
  if (code in ERRORS) return ''
  return 'The response is not from Curfew: check CURFEW_URL.'
}
