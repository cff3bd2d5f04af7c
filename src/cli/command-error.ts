import { OwnError } from '../base/errors.ts'
import type { ExitCode } from './exit-codes.ts'

/** A command cannot continue. The message says what to do, and repeats no secret. */
export class CommandError extends OwnError {
  readonly exitCode: ExitCode
  readonly code: string | null

  constructor(message: string, exitCode: ExitCode, code: string | null = null) {
    super(message)
    this.exitCode = exitCode
    this.code = code
  }
}
