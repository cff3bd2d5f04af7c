import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CurfewError } from '../../base/errors.ts'
import { corruption, type Damage } from './damage.ts'
import { asStartError, reasonOf } from './errors.ts'
import { MIGRATIONS } from './migrations.ts'
import { sizeOf } from './reserve.ts'
import { quickCheck } from './verify.ts'

/**
 * None of these settings affects durability. Savepoint journals are kept in memory instead of a temporary file, which
 * was half of all writes. 8 MB of cache hold the busy index pages. The WAL is copied into the database at 16 MB instead
 * of 4 MB, so that pages that change often are copied once for many changes.
 */
export const CHECKPOINT_PAGES = 4_000
const FOR_SPEED = `PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};`

/** Overwrites what is deleted with zeros. Otherwise, erased names would stay in the free space of the file. */
const FOR_PRIVACY = 'PRAGMA secure_delete = ON;'

/** Larger databases are checked after the start. Checking this much takes about half a second. */
const CHECKED_AT_START_BYTES = 128 * 1024 * 1024

export interface OpenOptions {
  /** Called if the database is corrupted. */
  onDamage?: (damage: Damage) => void
  /** Called instead of checking a large database. Without it, every database is checked. */
  onUnchecked?: () => void
  /** By default 128 MB. */
  checkedAtStartBytes?: number | undefined
}

/**
 * Opens or creates the database file, locks it for this process, and migrates its schema.
 *
 * WAL with `synchronous=FULL` syncs at each commit, so committed data survives a power cut. The exclusive lock is held
 * until close, because two schedulers on one file would revoke the same tokens, each with its own rate budget. Only the
 * owner can read the file, because it contains user names.
 * A corrupted database is opened if its schema is current, so that the service starts and reports the damage. It is never
 * migrated.
 * @throws CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export function openDatabase(path: string, options: OpenOptions = {}): DatabaseSync {
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
    database.exec(FOR_PRIVACY)
    database.exec('BEGIN IMMEDIATE; COMMIT;')
    const applied = schemaVersion(database)
    const isCurrent = applied === MIGRATIONS.length
    const { onDamage, onUnchecked, checkedAtStartBytes = CHECKED_AT_START_BYTES } = options
    if (onUnchecked && isCurrent && sizeOf(path) > checkedAtStartBytes) {
      onUnchecked()
      return database
    }
    const finding = applied === 0 ? null : quickCheck(database)
    if (finding === null) migrate(database, applied)
    else if (isCurrent) onDamage?.(corruption(finding))
    else throw damagedBeforeMigration(path, corruption(finding))
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

/** @throws CURFEW_STORE_NEWER */
function schemaVersion(database: DatabaseSync): number {
  const applied = Number(database.prepare('PRAGMA user_version').get()?.user_version)
  if (applied <= MIGRATIONS.length) return applied
  throw new CurfewError(
    'CURFEW_STORE_NEWER',
    `The database has schema version ${applied}; this version of Curfew supports ${MIGRATIONS.length}.`,
  )
}

function migrate(database: DatabaseSync, applied: number): void {
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < applied) continue
    database.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${index + 1}; COMMIT;`)
  }
}

function damagedBeforeMigration(path: string, { reason, action }: Damage): CurfewError {
  return new CurfewError('CURFEW_STORE_UNAVAILABLE', `Cannot migrate ${resolve(path)}. ${reason} ${action}`)
}
