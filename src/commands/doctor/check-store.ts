import { accessSync, constants, existsSync, statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { hasCode } from '../../base/errors.ts'
import { isCurfewFile } from '../../stores/migrate/sqlite-source.ts'
import { type Finding, failed, ok, reasonOf, skipped, warning } from './finding.ts'

const GIB = 1024 ** 3
const LOW_DISK_BYTES = GIB
const FULL_DISK_BYTES = GIB / 10

/** Checks the store of DATABASE_URL, and changes nothing. */
export async function checkStore(databaseUrl: string): Promise<Finding[]> {
  const path = /^sqlite:(.+)$/.exec(databaseUrl)?.[1]
  if (path !== undefined) return [...checkFile(path), checkDisk(path)]
  const { checkPostgres } = await import('./check-postgres.ts')
  return checkPostgres(databaseUrl)
}

function checkFile(path: string): Finding[] {
  const folder = dirname(resolve(path))
  const target = existsSync(path) ? path : folder
  try {
    accessSync(target, constants.W_OK)
    accessSync(folder, constants.W_OK)
  } catch (error) {
    return [
      failed(
        'store',
        `${target} is not writable: ${reasonOf(error)}`,
        'Give the user of Curfew write access.',
      ),
    ]
  }
  if (!existsSync(path)) return [ok('store', `${path} does not exist yet; ${folder} is writable.`)]
  return [ok('store', `${path} is writable.`), integrity(path)]
}

function integrity(path: string): Finding {
  try {
    if (!isCurfewFile(path))
      return failed('integrity', `${path} is not a database of Curfew.`, 'Check DATABASE_URL.')
  } catch (error) {
    if (hasCode(error, 'CURFEW_STORE_LOCKED'))
      return skipped('integrity', 'A running Curfew uses the database. Stop it to check the integrity.')
    return failed('integrity', reasonOf(error), 'Restore a backup: docs/how-to/back-up-and-restore.md')
  }
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const rows = database.prepare('PRAGMA quick_check(1)').all()
    const version = database.prepare('PRAGMA user_version').get()?.user_version
    const result = String(rows[0]?.quick_check)
    if (result === 'ok') return ok('integrity', `The database is intact; schema version ${version}.`)
    return failed('integrity', result, 'Restore a backup: docs/how-to/back-up-and-restore.md')
  } catch (error) {
    return failed('integrity', reasonOf(error), 'Restore a backup: docs/how-to/back-up-and-restore.md')
  } finally {
    database.close()
  }
}

function checkDisk(path: string): Finding {
  const { bavail, bsize } = statfsSync(existsSync(path) ? path : dirname(resolve(path)))
  const free = bavail * bsize
  const detail = `${(free / GIB).toFixed(1)} GiB are free.`
  if (free < FULL_DISK_BYTES)
    return failed('disk', detail, 'Free space: without it, signals are not accepted.')
  if (free < LOW_DISK_BYTES) return warning('disk', detail, 'Free space, or lower RETENTION_DAYS.')
  return ok('disk', detail)
}
