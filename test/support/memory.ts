import { existsSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'

/** A file system in memory, as Linux has it. */
const MEMORY = '/dev/shm'
const ENOUGH_BYTES = 2 * 1024 ** 3

/** Where tests keep databases: in memory where there is room, so that no test waits for the disk. */
export function fastFolder(): string {
  if (!existsSync(MEMORY)) return tmpdir()
  const { bavail, bsize } = statfsSync(MEMORY)
  return bavail * bsize >= ENOUGH_BYTES ? MEMORY : tmpdir()
}
