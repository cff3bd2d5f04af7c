import { spawnSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import { temporaryFolder } from './service.ts'

/** The version to upgrade from: the last commit whose revocations have no proof. */
const COMMIT = '6a1b93286e67526a728662a56880649c4c6dcbbb'
const ROOT = join(import.meta.dirname, '../..')

/** The sources of the previous version, with the packages of this one. */
export interface PreviousVersion {
  /** Its entry point, for `startProcess`. */
  main: string
  /** Imports one of its modules; `path` is relative to `src`. */
  // biome-ignore lint/suspicious/noExplicitAny: its types belong to another version
  load(path: string): Promise<any>
}

/** The value for `skip`: why the sources of the previous version are missing, or false. */
export function previousIsMissing(): string | false {
  const { status, error } = spawnSync('git', ['cat-file', '-e', `${COMMIT}^{tree}`], { cwd: ROOT })
  if (status === 0) return false
  return `the previous version is not in this checkout: ${error ? 'git does not run' : 'it has no full history'}`
}

/** Writes the sources of the previous version to a temporary folder, deleted with the test. */
export function previousVersion(t: Test): PreviousVersion {
  const folder = temporaryFolder(t)
  const archive = spawnSync('git', ['archive', COMMIT, 'src', 'package.json'], {
    cwd: ROOT,
    maxBuffer: 64 * 1024 * 1024,
  })
  const unpacked = spawnSync('tar', ['-x', '-C', folder], { input: archive.stdout })
  if (archive.status !== 0 || unpacked.status !== 0)
    throw new Error(`the previous version was not unpacked: ${archive.stderr}${unpacked.stderr}`)
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return {
    main: join(folder, 'src/main.ts'),
    load: (path) => import(pathToFileURL(join(folder, 'src', path)).href),
  }
}
