import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CurfewError } from '../../base/errors.ts'
import { MIGRATIONS } from './migrations.ts'

/**
 * None of these settings affects durability. Savepoint journals are kept in memory instead of a temporary file, which
 * was half of all writes. 8 MB of cache hold the busy index pages. The WAL is copied into the database at 16 MB instead
 * of 4 MB, so that pages that change often are copied once for many changes.
 */
const FOR_SPEED = 'PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000; PRAGMA wal_autocheckpoint = 4000;'

/**
 * Opens or creates the database file, locks it for this process, and migrates its schema.
 *
 * WAL with `synchronous=FULL` syncs at each commit, so committed data survives a power cut. The exclusive lock is held
 * until close, because two schedulers on one file would revoke the same tokens, each with its own rate budget. Only the
 * owner can read the file, because it contains user names.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export function openDatabase(path: string): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true })
    closeSync(openSync(path, 'a', OWNER_ONLY))
    for (const suffix of ['', '-wal', '-shm', '-journal']) restrict(`${path}${suffix}`)
  } catch (cause) {
    const advice = 'Check the path in DATABASE_URL and the permissions of its folder.'
    throw new CurfewError(
      'CURFEW_STORE_UNAVAILABLE',
      `Cannot write the database file ${resolve(path)} (${reasonOf(cause)}). ${advice}`,
      {
        cause,
      },
    )
  }
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: 0 })
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
    database.exec(FOR_SPEED)
    database.exec('BEGIN IMMEDIATE; COMMIT;')
    migrate(database)
    return database
  } catch (error) {
    database?.close()
    throw asStartError(error, path)
  }
}

/** Also of the journals: they contain the same rows. SQLite creates them with the mode of the database file. */
const OWNER_ONLY = 0o600
const OTHERS = 0o077

/** Takes access to a file away from everyone but its owner. A file without modes, as on Windows, is left as it is. */
function restrict(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats?.isFile() && (stats.mode & OTHERS) !== 0) chmodSync(path, OWNER_ONLY)
}

function migrate(database: DatabaseSync): void {
  const applied = Number(database.prepare('PRAGMA user_version').get()?.user_version)
  if (applied > MIGRATIONS.length) {
    throw new CurfewError(
      'CURFEW_STORE_NEWER',
      `The database has schema version ${applied}; this version of Curfew supports ${MIGRATIONS.length}.`,
    )
  }
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < applied) continue
    database.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${index + 1}; COMMIT;`)
  }
}

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
function asStartError(error: unknown, path: string): unknown {
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

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
}
