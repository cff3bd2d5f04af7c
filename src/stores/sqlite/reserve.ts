import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs'

const BYTES = 1024 * 1024

/**
 * A file that keeps 1 MB of disk space. It is deleted when a write fails, so that queued revocations can still be claimed and
 * ended on a full disk; no signal is accepted until the space is reserved again.
 */
export class Reserve {
  readonly #path: string

  constructor(databasePath: string) {
    this.#path = `${databasePath}-reserve`
  }

  /**
   * Reserves the space, unless it is reserved.
   * @param position where the file begins to use space. After a failed write at this position of the WAL, it shows that files
   * can grow beyond it, whatever limited them.
   * @returns whether it is reserved
   */
  take(position = 0): boolean {
    if (sizeOf(this.#path) >= BYTES) return true
    try {
      const file = openSync(this.#path, 'w', 0o600)
      try {
        writeSync(file, Buffer.alloc(BYTES), 0, BYTES, position)
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
    } catch {
      this.release()
      return false
    }
    // A short write is not an error.
    if (sizeOf(this.#path) === position + BYTES) return true
    this.release()
    return false
  }

  release(): void {
    try {
      rmSync(this.#path, { force: true })
    } catch {
      // The folder cannot be written. Nothing depends on the space.
    }
  }
}

/** In bytes; 0 if there is no such file. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
