import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { startSandbox } from '../src/sandbox/sandbox.ts'
import { configurationFile, entryFor } from './support/config-file.ts'
import { listen } from './support/listen.ts'
import { type ServiceProcess, startInVain, startProcess } from './support/process.ts'
import { databaseUrl, environmentFor, request, temporaryFolder } from './support/service.ts'
import { START_FLAGS } from './support/start-flags.ts'

/** A valid environment with its own tenant. */
async function workingEnvironment(t: Test, more: Record<string, string> = {}) {
  const sandbox = await startSandbox()
  t.teardown(() => sandbox.close())
  return environmentFor(sandbox, sandbox.tenant.addClient(), databaseUrl(t), more)
}

t.test('an invalid configuration exits with 78 and prints every mistake on standard error', async (t) => {
  const environment = { PORT: 'secret', QLIK_TENANT_URL: 'http://secret.example', API_KEYS: 'secret' }
  const { code, stdout, stderr } = await startInVain(environment)
  t.equal(code, 78)
  t.equal(stdout, '')
  const [first, ...mistakes] = stderr.trimEnd().split('\n')
  t.equal(first, 'CURFEW_CONFIG_INVALID: The configuration is invalid:')
  const keys = mistakes.map((line) => /^ {2}(\w+): .+$/.exec(line)?.[1])
  t.same(keys.sort(), ['API_KEYS', 'PORT', 'QLIK_CLIENT_ID', 'QLIK_CLIENT_SECRET', 'QLIK_TENANT_URL'])
  t.notMatch(stderr, 'secret')
})

t.test('a database in use makes the second process exit with 75; the first one keeps working', async (t) => {
  const environment = await workingEnvironment(t)
  const { url, end } = await startProcess(t, environment)
  const accepted = await request(url, 'POST', '/logout-hook', { body: { userId: 'u1' } })
  const second = await startInVain(environment)
  t.equal(second.code, 75)
  t.equal(second.stderr, 'CURFEW_STORE_LOCKED: Another process uses this database file.\n')
  const { status, json } = await request(url, 'GET', `/revocations/${accepted.json.id}`, {
    headers: { prefer: 'wait=30' },
  })
  t.equal(status, 200)
  t.match(json, { status: 'completed', outcome: 'no-such-user', verified: false })
  t.equal((await request(url, 'POST', '/logout-hook', { body: { userId: 'u2' } })).status, 202)
  t.equal(await end('SIGTERM'), 0)
})

t.test('an unusable database exits with 75 and prints the reason', async (t) => {
  const file = join(temporaryFolder(t), 'file')
  writeFileSync(file, 'this is not a database, but long enough to be read as one')
  const newer = join(temporaryFolder(t), 'newer.db')
  const database = new DatabaseSync(newer)
  database.exec('PRAGMA user_version = 999')
  database.close()
  const environment = await workingEnvironment(t)
  for (const [path, expected] of [
    [
      `${file}/curfew.db`,
      /^CURFEW_STORE_UNAVAILABLE: Cannot write the database file \/.*\/file\/curfew\.db \((ENOTDIR|EEXIST)\)\. Check .*\n$/,
    ],
    [
      file,
      /^CURFEW_STORE_UNAVAILABLE: Cannot use the database file \/.*\/file: .*not a database.* Check .*DATABASE_URL.\n$/,
    ],
    [newer, /^CURFEW_STORE_NEWER: The database has schema version 999/],
  ] as const) {
    const { code, stderr } = await startInVain({ ...environment, DATABASE_URL: `sqlite:${path}` })
    t.equal(code, 75)
    t.match(stderr, expected)
  }
})

t.test('a port in use exits with 69 and one line that says so', async (t) => {
  const other = createServer()
  t.teardown(() => other.close())
  const port = String(await listen(other))
  const { code, stderr } = await startInVain(await workingEnvironment(t, { PORT: port }))
  t.equal(code, 69)
  t.match(stderr, new RegExp(`^Curfew could not start: .*:${port} is in use .EADDRINUSE.. Stop .*PORT.*\n$`))
})

t.test('a port in use for operators exits with 69 and names its settings', async (t) => {
  const other = createServer()
  t.teardown(() => other.close())
  const OPS_PORT = String(await listen(other))
  const { code, stderr } = await startInVain(await workingEnvironment(t, { OPS_PORT }))
  t.equal(code, 69)
  t.match(
    stderr,
    new RegExp(
      `^Curfew could not start: .*:${OPS_PORT} is in use .EADDRINUSE.. Stop .*, or set OPS_PORT or OPS_HOST.\n$`,
    ),
  )
})

t.test('the first line names both addresses, and a shutdown closes both', async (t) => {
  const service = await startProcess(t, await workingEnvironment(t, { OPS_PORT: '0' }))
  const { url, operatorsUrl, output, end } = service
  t.equal((await request(String(operatorsUrl), 'GET', '/metrics')).status, 200)
  t.equal((await request(url, 'GET', '/metrics')).status, 404)
  t.equal(await end('SIGTERM'), 0)
  const ready = output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .find(({ msg }) => msg === 'Curfew is ready')
  t.match(ready, { address: url, operatorsAddress: operatorsUrl })
})

t.test('one line reports what has started, with an ISO 8601 time', async (t) => {
  const { url, output, end } = await startProcess(t, await workingEnvironment(t))
  t.equal(await end('SIGTERM'), 0)
  const lines = output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const ready = lines.filter(({ msg }) => msg === 'Curfew is ready')
  t.match(ready, [{ version: /^\d+\.\d+\.\d+$/, store: 'sqlite', tenants: 1, sources: 0, address: url }])
  t.match(ready[0].time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  t.notMatch(JSON.stringify(ready), /curfew\.db/)
})

/** Resolves when the process has written this text. */
async function untilWritten({ process, output }: ServiceProcess, text: string): Promise<void> {
  while (!output().includes(text)) if (process.stdout) await once(process.stdout, 'data')
}

t.test('SIGHUP reloads the file; an invalid one is reported and changes nothing', async (t) => {
  const file = configurationFile(t, {})
  const service = await startProcess(t, await workingEnvironment(t, { CONFIG_FILE: file.path }))
  const signal = (tenant: string) =>
    request(service.url, 'POST', '/logout-hook', { body: { userId: 'u1', tenant } })
  t.equal((await signal('a')).status, 400)

  file.write({ tenants: [entryFor('a')] })
  service.process.kill('SIGHUP')
  await untilWritten(service, '"added":1')
  t.equal((await signal('a')).status, 202)

  file.write({ tenants: [{ ...entryFor('b'), clientSecret: 7, url: 'marker' }] })
  service.process.kill('SIGHUP')
  await untilWritten(service, 'the current one stays active')
  t.match(service.output(), 'CONFIG_FILE /tenants/0/clientSecret')
  t.equal((await signal('a')).status, 202)
  t.notMatch(service.output(), /marker|client-secret/)
  t.equal(await service.end('SIGTERM'), 0)
})

t.test('without CONFIG_FILE, SIGHUP reloads the secret files and does not end the process', async (t) => {
  const path = join(temporaryFolder(t), 'api-keys')
  const [key, newKey] = ['key-in-a-file-0123456789abcdef', 'new-key-in-a-file-0123456789abcdef']
  writeFileSync(path, key)
  const service = await startProcess(t, await workingEnvironment(t, { API_KEYS: '', API_KEYS_FILE: path }))
  const statusWith = async (one: string) => {
    const headers = { authorization: `Bearer ${one}` }
    return (await request(service.url, 'GET', '/revocations', { headers })).status
  }
  t.same([await statusWith(key), await statusWith(newKey)], [200, 401])
  writeFileSync(path, newKey)
  service.process.kill('SIGHUP')
  await untilWritten(service, 'configuration reloaded')
  t.same([await statusWith(key), await statusWith(newKey)], [401, 200])
  t.notMatch(service.output(), 'key-in-a-file')
  t.equal(await service.end('SIGTERM'), 0)
})

t.test('the installed command runs Node with the memory flags of npm start', async (t) => {
  const [shebang] = readFileSync(new URL('../src/main.ts', import.meta.url), 'utf8').split('\n')
  t.equal(shebang, `#!/usr/bin/env -S node ${START_FLAGS.join(' ')}`)
  t.equal(START_FLAGS.length, 2)
})
