import { CurfewError } from '../../base/errors.ts'
import { asCurfewError } from './errors.ts'
import type { FileLoss } from './file-identity.ts'

/** Why the store accepts no signals, and what an operator must do. */
export interface Damage {
  reason: string
  action: string
}

const SAVE_THE_DATA =
  'Do not stop Curfew: only this process still has the data. Create a backup with POST /backups, then stop Curfew, ' +
  'restore the backup and start Curfew. See docs/how-to/back-up-and-restore.md.'

export const FILE_LOSS: Readonly<Record<FileLoss, Damage>> = {
  removed: { reason: 'The database file or its WAL was removed.', action: SAVE_THE_DATA },
  replaced: { reason: 'Another file replaced the database file or its WAL.', action: SAVE_THE_DATA },
}

const SQLITE_IOERR = 10
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

const RESTORE =
  'Stop Curfew, keep a copy of the database files, and restore the last backup. See docs/how-to/back-up-and-restore.md.'

export function corruption(finding: string): Damage {
  return { reason: `The database is corrupted: ${finding}.`, action: RESTORE }
}

/** Free space alone identifies a full disk: SQLite reuses space in the WAL, so single small writes still succeed. */
export function lackOfSpace(missing: string): Damage {
  return {
    reason: `The disk is full: ${missing}.`,
    action: 'Free disk space. Curfew then accepts signals again by itself.',
  }
}

/** The damage that a failed read, write or sync shows, from the error of the store contract. */
export function damageOf(error: CurfewError): Damage {
  const { cause } = error
  const code = cause instanceof Error && 'errcode' in cause ? Number(cause.errcode) & 0xff : null
  const text = cause instanceof Error && 'errstr' in cause ? String(cause.errstr) : error.message
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return corruption(text)
  if (code === SQLITE_FULL) return lackOfSpace(text)
  return {
    reason: code === SQLITE_IOERR ? `The disk failed: ${text}.` : error.message,
    action:
      'Check the disk, its free space and the permissions of DATABASE_URL. Curfew accepts signals again once a check of the ' +
      'whole database and a synced write succeed.',
  }
}

/** The damage that work on the database shows; null if it shows none. */
export function damageIn(work: () => void): Damage | null {
  try {
    work()
    return null
  } catch (error) {
    const failure = asCurfewError(error)
    if (failure instanceof CurfewError) return damageOf(failure)
    throw error
  }
}

export function asRefusal({ reason }: Damage): CurfewError {
  return new CurfewError('CURFEW_STORE_UNAVAILABLE', reason, { retryAfterSeconds: 5 })
}
