import { readFileSync } from 'node:fs'

/** What a file holds, without white space around it; null where it cannot be read. Why may hold the path. */
export function readSecretFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return null
  }
}
