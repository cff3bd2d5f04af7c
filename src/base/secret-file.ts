import { readFileSync, type Stats, statSync } from 'node:fs'

const WRITABLE_BY_OTHERS = 0o002
const READABLE_BY_OTHERS = 0o004

/** What is expected of a file that is read, with a warning, although others can read it. */
export const EXPOSED = 'expected a file that other users of the machine cannot read'

/** Whether every user of the machine can change a file. Windows has no such mode. */
export function isWritableByOthers(stats: Stats): boolean {
  return process.platform !== 'win32' && stats.isFile() && (stats.mode & WRITABLE_BY_OTHERS) !== 0
}

/** Whether every user of the machine can read a file. Windows has no such mode. */
function isReadableByOthers(stats: Stats): boolean {
  return process.platform !== 'win32' && (stats.mode & READABLE_BY_OTHERS) !== 0
}

/**
 * The trimmed content of a file; null if it is unreadable, or writable by others. The reason is dropped because it may
 * contain the path.
 */
export function readSecretFile(path: string): SecretFile | null {
  try {
    const stats = statSync(path)
    if (isWritableByOthers(stats)) return null
    return { text: readFileSync(path, 'utf8').trim(), isExposed: isReadableByOthers(stats) }
  } catch {
    return null
  }
}

/** A file with a secret or a private key. */
export interface SecretFile {
  text: string
  /** Whether every user of the machine can read it. */
  isExposed: boolean
}

/** An RSA key of 16,384 bits takes 13 KB. */
const LARGEST_KEY_FILE_BYTES = 64 * 1024

/** Reads a private key: a regular file of up to 64 KiB. Null if it is unreadable, or writable by others. */
export function readKeyFile(path: string): SecretFile | null {
  try {
    const stats = statSync(path)
    if (!stats.isFile() || isWritableByOthers(stats) || stats.size > LARGEST_KEY_FILE_BYTES) return null
    const text = readFileSync(path, 'utf8').trim()
    return { text, isExposed: isReadableByOthers(stats) }
  } catch {
    return null
  }
}
