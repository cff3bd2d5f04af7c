import { readFileSync, statSync } from 'node:fs'

/** What a file holds, without white space around it; null where it cannot be read. Why may hold the path. */
export function readSecretFile(path: string): string | null {
  try {
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

/** As `readSecretFile`, for a regular file of at most 64 KiB, and with who else can read it. */
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
