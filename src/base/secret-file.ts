import { readFileSync, statSync } from 'node:fs'

/** The trimmed content of a file, or null if it is unreadable. The error is dropped because it may quote the path. */
export function readSecretFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return null
  }
}

export interface KeyFile {
  text: string
  /** Whether every user on the machine can read it. */
  isExposed: boolean
}

/** A 16,384-bit RSA key takes 13 KB. */
const LARGEST_KEY_FILE_BYTES = 64 * 1024
const READABLE_BY_OTHERS = 0o004

/** Like `readSecretFile`, for regular files up to 64 KiB. Also reports whether other users can read the file. */
export function readKeyFile(path: string): KeyFile | null {
  try {
    const stats = statSync(path)
    if (!stats.isFile() || stats.size > LARGEST_KEY_FILE_BYTES) return null
    const text = readFileSync(path, 'utf8').trim()
    return { text, isExposed: (stats.mode & READABLE_BY_OTHERS) !== 0 }
  } catch {
    return null
  }
}
