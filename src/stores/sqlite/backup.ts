import { chmod, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { backup, type DatabaseSync } from 'node:sqlite'
import type { Backup } from '../store.ts'
import { asCurfewError } from './errors.ts'

const SQLITE_OK = 0
/** 1 MB: writes wait for less than a millisecond until a step is done. */
const PAGES_PER_STEP = 256

/**
 * Copies the database to a new file beside it, readable by its owner only, with SQLite's backup API. Writes continue; the
 * copy contains everything that was committed before the backup began. The file gets its name when it is complete and
 * on disk.
 * @throws CURFEW_STORE_UNAVAILABLE
 */
export async function backUp(database: DatabaseSync, path: string): Promise<Backup> {
  const moment = new Date().toISOString().replaceAll(/[-:]/g, '')
  const file = `${path}.${moment}.backup`
  const partial = `${file}.partial`
  try {
    // The folder may have been removed with the database.
    await mkdir(dirname(path), { recursive: true })
    await (await open(partial, 'wx', 0o600)).close()
    await copy(database, partial)
    await chmod(partial, 0o600)
    const bytes = await sync(partial)
    await rename(partial, file)
    await sync(dirname(path))
    return { file, bytes }
  } catch (error) {
    await rm(partial, { force: true })
    throw asCurfewError(error)
  }
}

/** @returns the size in bytes */
async function sync(path: string): Promise<number> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
    return (await handle.stat()).size
  } finally {
    await handle.close()
  }
}

const ATTEMPTS = 5

/**
 * The copy runs in another thread. If a statement runs in this one at the same time, a failed copy can report that statement's
 * code, `SQLITE_OK`. The cause is then unknown, so the copy is retried.
 */
async function copy(database: DatabaseSync, path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await backup(database, path, { rate: PAGES_PER_STEP })
      return
    } catch (error) {
      const isUnknown = error instanceof Error && 'errcode' in error && error.errcode === SQLITE_OK
      if (!isUnknown || attempt === ATTEMPTS) throw error
    }
  }
}
