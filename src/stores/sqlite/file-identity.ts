import { statSync } from 'node:fs'
import { resolve } from 'node:path'

export type FileLoss = 'removed' | 'replaced'

/**
 * Remembers which files are open: device and inode of the database and its WAL. SQLite does not notice if they are removed
 * or replaced; it keeps writing to files that nobody can open again.
 */
export class FileIdentity {
  readonly #opened: { path: string; identity: string | null }[]

  constructor(path: string) {
    const absolute = resolve(path)
    this.#opened = [absolute, `${absolute}-wal`].map((file) => ({ path: file, identity: identityOf(file) }))
  }

  /** What happened to the files since they were opened; null if they are in place. */
  loss(): FileLoss | null {
    for (const { path, identity } of this.#opened) {
      const current = identityOf(path)
      if (current === null) return 'removed'
      if (current !== identity) return 'replaced'
    }
    return null
  }
}

/** Null if the file does not exist or cannot be reached: then nobody can restart on it either. */
function identityOf(path: string): string | null {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return null
  }
}
