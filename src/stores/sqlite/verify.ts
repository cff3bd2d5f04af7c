import type { DatabaseSync } from 'node:sqlite'
import { CurfewError } from '../../base/errors.ts'
import { corruption, type Damage, damageOf, lackOfSpace } from './damage.ts'
import { asCurfewError } from './errors.ts'

/** As much as a large request writes. */
const PROBE_BYTES = 256 * 1024

/** Returns the first inconsistency that `PRAGMA quick_check` finds; null if there is none. */
export function quickCheck(database: DatabaseSync): string | null {
  try {
    const finding = database.prepare('PRAGMA quick_check(1)').get()?.quick_check
    // Several lines, of which the first is the heading.
    return finding === 'ok'
      ? null
      : String(finding)
          .trim()
          .replaceAll(/\s*\n\s*/g, ' ')
          .replace(/\.$/, '')
  } catch (error) {
    const failure = asCurfewError(error)
    if (failure instanceof CurfewError) return failure.message.replace(/^Database error: |\.$/g, '')
    throw error
  }
}

/**
 * Checks that the whole database is consistent, that it can grow, and that everything in the WAL reaches the disk.
 * The checkpoint is what makes a failed sync harmless: it copies every committed page, syncs the copy, and starts the WAL
 * from its beginning, so that no later commit depends on pages that the system may have dropped. It also lets writes use
 * the space of the WAL again.
 * @param reserve reserves disk space; returns whether it did
 */
export function verifyDatabase(database: DatabaseSync, reserve: () => boolean): Damage | null {
  const finding = quickCheck(database)
  if (finding) return corruption(finding)
  try {
    checkpoint(database)
    probe(database)
    checkpoint(database)
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    const failure = asCurfewError(error)
    if (failure instanceof CurfewError) return damageOf(failure)
    throw error
  }
  return reserve() ? null : lackOfSpace('1 MB could not be reserved')
}

/** @throws if the WAL cannot be copied completely */
function checkpoint(database: DatabaseSync): void {
  const result = database.prepare('PRAGMA wal_checkpoint(RESTART)').get()
  if (result?.busy !== 0) throw new CurfewError('CURFEW_STORE_UNAVAILABLE', 'The WAL is in use.')
}

/** Writes and syncs new pages, and frees them. */
function probe(database: DatabaseSync): void {
  database.exec('PRAGMA synchronous = FULL')
  database.exec('BEGIN IMMEDIATE')
  database.exec('DROP TABLE IF EXISTS probe; CREATE TABLE probe (content BLOB)')
  database.exec(`INSERT INTO probe VALUES (zeroblob(${PROBE_BYTES}))`)
  database.exec('COMMIT')
  database.exec('DROP TABLE probe')
}
