import { resolve } from 'node:path'
import { CurfewError } from '../../base/errors.ts'

const SQLITE_BUSY = 5
const SQLITE_CONSTRAINT = 19

/**
 * Maps a SQLite error to an error of the store contract. Constraint violations are bugs in Curfew, so they are returned
 * unchanged, like all errors that are not from SQLite.
 */
export function asCurfewError(error: unknown): unknown {
  if (!isSqliteError(error)) return error
  const primaryCode = error.errcode & 0xff
  if (primaryCode === SQLITE_CONSTRAINT) return error
  if (primaryCode === SQLITE_BUSY) {
    return new CurfewError('CURFEW_STORE_LOCKED', 'Another process uses this database file.', {
      cause: error,
    })
  }
  return new CurfewError('CURFEW_STORE_UNAVAILABLE', `Database error: ${error.errstr}.`, {
    cause: error,
    retryAfterSeconds: 5,
  })
}

/** Like `asCurfewError`, for the start: the detail names the file and what to check. */
export function asStartError(error: unknown, path: string): unknown {
  const failure = asCurfewError(error)
  if (!isSqliteError(error) || !(failure instanceof CurfewError)) return failure
  if (failure.code !== 'CURFEW_STORE_UNAVAILABLE') return failure
  const detail = `Cannot use the database file ${resolve(path)}: ${error.errstr}. Check the path in DATABASE_URL.`
  return new CurfewError('CURFEW_STORE_UNAVAILABLE', detail, { cause: error })
}

function isSqliteError(error: unknown): error is Error & { errcode: number; errstr: string } {
  return (
    error instanceof Error && 'errcode' in error && 'errstr' in error && typeof error.errcode === 'number'
  )
}

export function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
}
