import { type ChildProcess, fork } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { extname, join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { CHECKPOINT_PAGES } from './database.ts'

/** Enough for 10 GB at 100 MB/s. The WAL grows until then. */
const LONGEST_MS = 120_000

/** The compiler does not rewrite this name: the package contains `.js` files. */
const CHECK_FILE = join(import.meta.dirname, `check-file${extname(import.meta.filename)}`)

const Message = z.object({ finding: z.string().nullable() })

export interface LaterCheckOptions {
  /** Absolute. */
  path: string
  clock: Pick<Clock, 'monotonic'>
  log: Log
  /** Called with the first inconsistency. */
  onFinding: (finding: string) => void
}

/**
 * Checks a large database after the start, in another process, so that neither the start nor the event loop waits for it.
 * During the check, the WAL is not copied into the file, so the file does not change. The check needs another process:
 * in this one, closing the file would release the lock that `openDatabase` holds (https://sqlite.org/howtocorrupt.html,
 * section 2.2).
 */
export class LaterCheck {
  readonly #database: DatabaseSync
  readonly #child: ChildProcess
  #isOver = false

  constructor(database: DatabaseSync, { path, clock, log, onFinding }: LaterCheckOptions) {
    this.#database = database
    const startedAt = clock.monotonic()
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    // Without the environment: it contains secrets, and flags for the service.
    const options = { env: {}, execArgv: [], timeout: LONGEST_MS, killSignal: 'SIGKILL' as const }
    this.#child = fork(CHECK_FILE, [path], options)
    database.exec('PRAGMA wal_autocheckpoint = 0')
    this.#child.once('message', (message) => {
      if (!this.stop()) return
      const { finding } = Message.parse(message)
      if (finding !== null) onFinding(finding)
      else
        log.info({ durationMs: Math.round(clock.monotonic() - startedAt) }, 'the whole database was checked')
    })
    const onFailure = (detail: string) => {
      if (this.stop()) log.warn({ detail, action: ADVICE }, 'the whole database could not be checked')
    }
    this.#child.once('error', (error) => onFailure(error.message))
    this.#child.once('exit', (code, signal) =>
      onFailure(`The check ended with ${signal ?? `exit code ${code}`}.`),
    )
    if (this.#child.pid !== undefined) lowerPriority(this.#child.pid)
  }

  /** Ends the check, before the WAL is copied into the file. @returns false if it was over */
  stop(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#child.kill('SIGKILL')
    if (this.#database.isOpen) this.#database.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    return true
  }
}

export const ADVICE =
  'Stop Curfew and run `PRAGMA quick_check` on the database file with the sqlite3 command.'

/** Lowers the priority of the process. */
function lowerPriority(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW)
  } catch {
    // It has ended already, or the system does not allow it: the check then competes with the service.
  }
}
