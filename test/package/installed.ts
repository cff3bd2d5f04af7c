import { execFile, type ForkOptions, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, globSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { ROOT } from '../support/deployment.ts'

const run = promisify(execFile)

/** Curfew, installed from its tarball. */
export interface Installed {
  folder: string
  /** The paths in the package. */
  files: string[]
  /** The file that the command `curfew` runs. */
  main: string
}

/**
 * Packs the checkout, and installs the tarball with npm into a folder that is empty but for the production packages, which
 * are copied from the checkout: so npm needs neither the registry nor its cache.
 */
export async function install(t: Test): Promise<Installed> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-package-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  await npm(['pack', '--pack-destination', folder], ROOT)
  const [tarball] = globSync('*.tgz', { cwd: folder })
  copyPackages(folder)
  const quiet = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--no-save']
  await npm(['install', ...quiet, `./${tarball}`], folder)
  const root = join(folder, 'node_modules/curfew')
  return { folder, main: join(root, 'dist/main.js'), files: globSync('**', { cwd: root }) }
}

function npm(args: string[], cwd: string) {
  return run('npm', args, { cwd, maxBuffer: 64 * 1024 * 1024 })
}

function copyPackages(folder: string): void {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  for (const [path, { dev, devOptional }] of Object.entries<Record<string, boolean>>(lock.packages)) {
    const isNested = path.indexOf('node_modules/') !== path.lastIndexOf('node_modules/')
    if (path !== '' && !isNested && !dev && !devOptional && existsSync(join(ROOT, path)))
      copy(join(ROOT, path), join(folder, path))
  }
  // Without them, npm would install the packages again.
  cpSync(join(ROOT, 'node_modules/.bin'), join(folder, 'node_modules/.bin'), {
    recursive: true,
    verbatimSymlinks: true,
  })
}

/** Hard links are faster, but only within one file system. */
function copy(from: string, to: string): void {
  try {
    for (const file of globSync('**', { cwd: from, withFileTypes: true })) {
      const path = join(file.parentPath, file.name)
      if (!file.isFile()) continue
      const target = join(to, path.slice(from.length))
      mkdirSync(dirname(target), { recursive: true })
      linkSync(path, target)
    }
  } catch {
    cpSync(from, to, { recursive: true })
  }
}

/** Starts a command of the installed package that listens. It fails if anything loads a `.ts` file. */
export async function startInstalled(
  t: Test,
  { main, folder }: Installed,
  args: string[],
  env: Record<string, string>,
) {
  const options: ForkOptions = {
    cwd: folder,
    env: { PATH: String(process.env.PATH), NODE_OPTIONS: '--no-strip-types', ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  }
  const child = fork(main, args, options)
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr?.on('data', (chunk) => {
    errors += chunk
  })
  const ended = once(child, 'exit')
  const failed = ended.then(() => Promise.reject(new Error(`${args.join(' ')} exited: ${errors}`)))
  const [message] = await Promise.race([once(child, 'message'), failed])
  failed.catch(() => {})
  return {
    url: String(message.url),
    async stop() {
      child.kill('SIGTERM')
      return (await ended)[0]
    },
  }
}
