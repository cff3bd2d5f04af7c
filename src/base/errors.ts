import { ERRORS, type ErrorCode } from './error-table.ts'

export { ERRORS, type ErrorCode } from './error-table.ts'

/** Whether something is a code of this version. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code)
}

/** One invalid member of a request. */
export interface InvalidMember {
  /** JSON Pointer into the body, or the name of the header or parameter. */
  member: string
  /** The expected value. Never repeats the value that was sent. */
  expected: string
}

/** An error whose message Curfew wrote itself: it repeats nothing that was sent, so it may be logged. */
export abstract class OwnError extends Error {}

/** An error with a code of the table. Callers see `detail`: it contains no secret and no personal data. */
export class CurfewError extends OwnError {
  readonly code: ErrorCode
  readonly members: InvalidMember[]
  readonly retryAfterSeconds: number | null
  /** More details, for the log only. */
  evidence: (() => object) | null

  constructor(
    code: ErrorCode,
    detail?: string,
    options: {
      cause?: unknown
      members?: InvalidMember[]
      retryAfterSeconds?: number
      evidence?: (() => object) | null
    } = {},
  ) {
    super(detail ?? ERRORS[code].title, { cause: options.cause })
    this.name = 'CurfewError'
    this.code = code
    this.members = options.members ?? []
    this.retryAfterSeconds = options.retryAfterSeconds ?? null
    this.evidence = options.evidence ?? null
  }
}

/** Whether something thrown is a CurfewError with one of these codes. */
export function hasCode(thrown: unknown, ...codes: ErrorCode[]): thrown is CurfewError {
  return thrown instanceof CurfewError && codes.includes(thrown.code)
}

/** A request with one invalid member. */
export function invalidMember(member: string, expected: string): CurfewError {
  return new CurfewError('CURFEW_REQUEST_INVALID', undefined, { members: [{ member, expected }] })
}

/** Invalid command-line arguments; the message names them. */
export class UsageError extends Error {}
