import { readFileSync, type Stats, statSync } from 'node:fs'

const WRITABLE_BY_OTHERS = 0o002

/** Whether every user of the machine can change a file. Windows has no such mode. */
export function isWritableByOthers(stats: Stats): boolean {
  return process.platform !== 'win32' && stats.isFile() && (stats.mode & WRITABLE_BY_OTHERS) !== 0
}

/**
 * The trimmed content of a file; null if it is unreadable, or writable by others. The reason is dropped because it may
 * contain the path.
 */
export function readSecretFile(path: string): string | null {
  try {
    if (isWritableByOthers(statSync(path))) return null
    return readFileSync(path, 'utf8').trim()
  } catch {
    return null
  }
}

/** A file with a private key. */
export interface KeyFile {
  text: string
  /** Whether every user of the machine can read it. */
  isExposed: boolean
}

/** An RSA key of 16,384 bits takes 13 KB. */
const LARGEST_KEY_FILE_BYTES = 64 * 1024
const READABLE_BY_OTHERS = 0o004

/** Reads a private key: a regular file of up to 64 KiB. Null if it is unreadable, or writable by others. */
export function readKeyFile(path: string): KeyFile | null {
  try {
    const stats = statSync(path)
    if (!stats.isFile() || isWritableByOthers(stats) || stats.size > LARGEST_KEY_FILE_BYTES) return null
    const text = readFileSync(path, 'utf8').trim()
    return { text, isExposed: (stats.mode & READABLE_BY_OTHERS) !== 0 }
  } catch {
    return null
  }
}
