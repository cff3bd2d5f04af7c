import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CurfewError } from '../../base/errors.ts'
import { MIGRATIONS } from './migrations.ts'

/**
 * None of these touches durability. What undoes a single write of a transaction is kept in memory, not in a
 * temporary file (it was half of all writes). 8 MB of cache hold the busy pages of the indexes. At 16 MB, not 4,
 * the log is copied into the database: pages that change often are copied once for many changes.
 */
const FOR_SPEED = 'PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000; PRAGMA wal_autocheckpoint = 4000;'

/**
 * Opens (or creates) the database file, takes it for this process alone, and brings its schema up to date.
 *
 * WAL with `synchronous=FULL` syncs at each commit: what is committed survives a power cut. The exclusive
 * locking mode is held until close, since two schedulers on one file would revoke side by side and each keep
 * a budget of its own. The file is readable by its owner only: it holds user names.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export function openDatabase(path: string): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true })
    closeSync(openSync(path, 'a', 0o600))
  } catch (cause) {
    throw new CurfewError(
      'CURFEW_STORE_UNAVAILABLE',
      `The database file cannot be written: ${reasonOf(cause)}`,
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
    throw asCurfewError(error)
  }
}

function migrate(database: DatabaseSync): void {
  const applied = Number(database.prepare('PRAGMA user_version').get()?.user_version)
  if (applied > MIGRATIONS.length) {
    throw new CurfewError(
      'CURFEW_STORE_NEWER',
      `The database has schema version ${applied}, this version of Curfew knows ${MIGRATIONS.length}.`,
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
 * An error of SQLite in the terms of the store's contract. A broken constraint would be a mistake of ours, so
 * it stays as it is, as does any error that is not SQLite's.
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
  return new CurfewError('CURFEW_STORE_UNAVAILABLE', `The database does not work: ${error.errstr}.`, {
    cause: error,
    retryAfterSeconds: 5,
  })
}

function isSqliteError(error: unknown): error is Error & { errcode: number; errstr: string } {
  return (
    error instanceof Error && 'errcode' in error && 'errstr' in error && typeof error.errcode === 'number'
  )
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
}
