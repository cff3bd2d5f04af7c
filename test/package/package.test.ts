import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { ROOT } from '../support/deployment.ts'
import { startPostgres } from '../support/postgres.ts'
import { environmentFor, WEBHOOK_SECRET } from '../support/service.ts'
import { type Installed, install, startInstalled } from './installed.ts'

const run = promisify(execFile)

/** Fails if anything loads a `.ts` file. */
const NODE_OPTIONS = '--no-strip-types'
const USE = `import { CurfewClient } from 'curfew/client'
const curfew = new CurfewClient({ url: process.argv[2], webhookSecret: process.argv[3] })
const result = await curfew.endAccess({ email: 'ann@example.com' }, { waitSeconds: 20 })
console.log(result.ok && result.revocation.status)
`

const CHECK_LATER = `const [, folder, path] = process.argv
const { systemClock } = await import(folder + '/base/clock.js')
const { openSqliteStore } = await import(folder + '/stores/sqlite/store.js')
const print = (details, message) => process.stdout.write(message, () => process.exit())
const log = { info: print, warn: print, error: print }
await openSqliteStore(path).close()
openSqliteStore(path, systemClock, log, { checkedAtStartBytes: 0 })
`

/** Opens a database of any size as a large one, which another process checks. @returns the first line of the log */
async function checkLater({ folder, main }: Installed): Promise<string> {
  const script = ['--input-type=module', '--eval', CHECK_LATER]
  return (await run(process.execPath, [...script, dirname(main), join(folder, 'large.db')])).stdout
}

/** The installed service on this store ends the access of a user of the installed sandbox. */
async function logsOut(t: Test, installed: Installed, tenant: string, databaseUrl: string): Promise<void> {
  const environment = environmentFor({ url: tenant }, { id: 'curfew', secret: 'sandbox-secret' }, databaseUrl)
  const service = await startInstalled(t, installed, ['serve'], environment)
  const args = [join(installed.folder, 'use.mjs'), service.url, WEBHOOK_SECRET]
  const { stdout } = await run(process.execPath, args, { cwd: installed.folder })
  t.equal(stdout, 'completed\n')
  t.equal(await service.stop(), 0)
}

t.test('the tarball installs in an empty folder, and runs without the sources', async (t) => {
  const [installed, postgres] = await Promise.all([install(t), startPostgres(t)])
  const { folder, files } = installed
  const curfew = join(folder, 'node_modules/.bin/curfew')
  const env = { PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`, NODE_OPTIONS }
  t.same(
    files.filter((file) => /\.ts$/.test(file) && !/^dist\/client\/\w+\.d\.ts$/.test(file)),
    [],
    'it contains only the types of the client',
  )
  t.equal(await checkLater(installed), 'the whole database was checked')
  t.match((await run(curfew, ['--help'], { env })).stdout, /^Usage: curfew .*\bserve\b/s)

  writeFileSync(join(folder, 'use.mjs'), USE)
  writeFileSync(join(folder, 'use.mts'), USE)
  const sandbox = await startInstalled(t, installed, ['sandbox', '--port', '0', '--no-idp'], {})
  const types = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    'false',
    '--module',
    'nodenext',
    '--target',
    'es2024',
  ]
  const typeRoots = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')]
  const [demo] = await Promise.all([
    run(curfew, ['demo'], { env: { ...env, NODE_OPTIONS: '' } }),
    logsOut(t, installed, sandbox.url, `sqlite:${join(folder, 'curfew.db')}`),
    logsOut(t, installed, sandbox.url, await postgres.createDatabase()),
    run('tsc', [...types, ...typeRoots, 'use.mts'], { cwd: folder, env: { PATH: env.PATH } }),
  ])
  t.equal(demo.stdout.match(/^✔ /gm)?.length, 4)
  t.ok(existsSync(join(folder, 'curfew.db')))
  t.equal(await sandbox.stop(), 0)
})
