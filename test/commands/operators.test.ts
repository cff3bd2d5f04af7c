import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openIssuer } from '../../src/sandbox/identity-provider/issuer.ts'
import { configurationFile, entryFor } from '../support/config-file.ts'
import { nextCall } from '../support/events.ts'
import { freePort } from '../support/free-port.ts'
import { listen } from '../support/listen.ts'
import { bare, MAIN, runCommand } from '../support/process.ts'
import {
  API_KEY,
  folderWith,
  OTHER_API_KEY,
  type Service,
  startService,
  temporaryFolder,
} from '../support/service.ts'

const run = (service: Pick<Service, 'url'>, ...args: string[]) =>
  runCommand(args, { CURFEW_URL: service.url, CURFEW_API_KEY: API_KEY })

t.test('status reports readiness, backlog, budgets, failures by code and sources', async (t) => {
  const service = await startService(t)
  for (const email of ['ann@example.com', 'ANN@example.com']) service.userWithTokens(1, { email })
  await service.ended(
    (await service.call('POST', '/logout-hook', { body: { email: 'ann@example.com' } })).json.id,
  )
  const { code, stdout } = await run(service, 'status', '--json')
  t.equal(code, 0)
  t.match(JSON.parse(stdout), {
    status: 'ready',
    checks: [{ name: 'lifecycle', status: 'ok' }],
    budgets: [{ tenant: 'default', tier: 1, remaining: Number, blockedUntil: null }],
    failures: { CURFEW_AMBIGUOUS_USER: 1 },
    failuresAreComplete: true,
    sources: [],
  })
  const text = await run(service, 'status')
  t.match(text.stdout, /^Curfew is ready\.\nBacklog: empty\n/)
  t.match(text.stdout, /\n {2}default {2}tier 2: \d+\n/)
  t.notMatch(text.stdout, '\u001b', 'no colors without a terminal')
  t.match(await runCommand(['status'], { CURFEW_URL: service.url }), {
    code: 0,
    stderr: /^Without CURFEW_API_KEY/,
  })
  await service.app.close()
  t.match(await run(service, 'status', '--json'), { code: 69, stderr: /^\{"error":\{"code":"ECONNREFUSED"/ })
})

t.test('status --watch goes on while the service restarts', async (t) => {
  let isUp = true
  const server = createServer((_, response) => {
    if (!isUp) return response.socket?.destroy()
    response.end(JSON.stringify({ status: 'ready' }))
  })
  const port = await listen(server)
  t.teardown(() => server.close())
  const child = spawn(process.execPath, [MAIN, 'status', '--watch'], {
    env: bare({ CURFEW_URL: `http://127.0.0.1:${port}` }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  isUp = false
  t.match(
    String((await once(child.stderr, 'data'))[0]),
    /^(UND_ERR_SOCKET|ECONNRESET): .*\nCheck that Curfew runs/,
  )
  isUp = true
  t.match(String((await once(child.stdout, 'data'))[0]), /Curfew is ready/)
})

t.test('tokens lists device, last use and grant', async (t) => {
  const service = await startService(t)
  service.userWithTokens(2, { email: 'ann@example.com' })
  const { code, stdout } = await run(service, 'tokens', 'ann@example.com')
  t.equal(code, 0)
  t.match(
    stdout,
    /^DEVICE +LAST USED +GRANTED +TOKEN\n(\S+ +\S+ +20\d\d-\S+Z +[0-9a-f]{24}\n){2}2 tokens\.\n$/,
  )
  t.match(await run(service, 'tokens', 'nobody'), { code: 1, stdout: /^No user has this id/ })
  t.match(JSON.parse((await run(service, 'tokens', '--json', 'ann@example.com')).stdout), {
    tokens: { length: 2 },
  })
  t.same(await service.stored(), [])
})

t.test('retry tries one or all that match, with a dry run and a confirmation', async (t) => {
  const service = await startService(t)
  for (const email of ['ann@example.com', 'ANN@example.com']) service.userWithTokens(1, { email })
  const { id } = (await service.call('POST', '/logout-hook', { body: { email: 'ann@example.com' } })).json
  await service.ended(id)
  t.match(await run(service, 'retry', '--failed', '--dry-run'), {
    code: 0,
    stdout: `${id}\n1 revocation would be retried.\n`,
  })
  t.match(await run(service, 'retry', '--failed'), {
    code: 64,
    stderr: /^Retry 1 revocation\? Confirm with --yes/,
  })
  t.match(await run(service, 'retry', '--failed', '--code', 'CURFEW_OWN_USER'), {
    code: 0,
    stdout: /^0 revocations retried/,
  })
  t.same(JSON.parse((await run(service, 'retry', '--email', 'ann@example.com', '--yes', '--json')).stdout), {
    dryRun: false,
    matched: 1,
    retried: 1,
    refused: {},
    ids: [id],
  })
  await service.ended(id)
  t.match(await run(service, 'retry', id), { code: 0, stdout: `${id}  queued\n1 revocation retried.` })
  const unknown = await run(service, 'retry', '00000000-0000-4000-8000-000000000000', '--json')
  t.equal(unknown.code, 1)
  t.match(JSON.parse(unknown.stdout), {
    retried: 0,
    items: [{ status: null, error: { code: 'CURFEW_UNKNOWN_REVOCATION' } }],
  })
  t.match(await run(service, 'retry', '--since', 'x'), { code: 65, stderr: /\/matching\/since: / })
  for (const wrong of [[], ['--failed', id], ['--failed', '--status', 'queued'], [id, '--dry-run']])
    t.match(await run(service, 'retry', ...wrong), { code: 64 }, wrong.join(' '))
})

t.test('release and cancel decide on what the brake holds', async (t) => {
  const environment = { MASS_REVOCATION_USERS: '1' }
  const service = await startService(t, { environment })
  const body = { users: ['u1', 'u2', 'u3', 'u4'].map((userId) => ({ userId })) }
  await service.call('POST', '/revocations', { body })
  const held = (await service.stored()).filter(({ status }) => status === 'held')
  t.equal(held.length, 3)
  t.match(await run(service, 'cancel', held[0].id), {
    code: 64,
    stderr: /Cancel 1 revocation\? .* Confirm with --yes/,
  })
  const absent = '00000000-0000-4000-8000-000000000000'
  t.match(await run(service, 'cancel', absent, held[0].id, '--yes'), {
    code: 1,
    stdout: new RegExp(
      `^${absent}  CURFEW_UNKNOWN_REVOCATION: .*\n${held[0].id}  cancelled\n1 revocation cancelled\\.\n$`,
    ),
  })
  t.match(JSON.parse((await run(service, 'cancel', held[0].id, absent, '--yes', '--json')).stdout), {
    cancelled: 1,
    items: [
      { id: held[0].id, status: 'cancelled', error: null },
      { id: absent, status: null, error: { code: 'CURFEW_UNKNOWN_REVOCATION' } },
    ],
  })
  t.match(await run(service, 'cancel', held[0].id, '--dry-run'), {
    code: 64,
    stderr: /^--dry-run needs a filter, such as --source\./,
  })
  t.match(await run(service, 'cancel', '--all', '--force'), {
    code: 64,
    stderr: /^--force applies to ids and filters/,
  })
  const sender = held[1].hold.sender
  const released = await run(
    service,
    'release',
    '--sender',
    `${sender.kind}:${sender.name}#${sender.id}`,
    '--yes',
    '--json',
  )
  t.same(released, { code: 0, stdout: '{\n  "released": 2,\n  "joined": 0\n}\n', stderr: '' })
  t.match(await run(service, 'release', '--all', 'id', '--yes'), {
    code: 64,
    stderr: /Usage: curfew release/,
  })
  t.match(await run(service, 'release', '--sender', 'okta', '--yes'), { code: 64, stderr: /api-key:NAME/ })
})

t.test('cancel and release take filters', async (t) => {
  const service = await startService(t, { environment: { MASS_REVOCATION_USERS: '1' } })
  const users = ['u1', 'u2', 'u3'].map((userId) => ({ userId }))
  await service.call('POST', '/revocations', { body: { users } })
  const held = (await service.stored()).filter(({ status }) => status === 'held')
  const u2 = held.find(({ user }) => user.userId === 'u2')
  t.match(await run(service, 'release', '--source', 'bulk', '--dry-run'), {
    code: 0,
    stdout: `${held.map(({ id }) => `${id}\n`).join('')}2 revocations would be released.\n`,
  })
  const released = await run(service, 'release', '--user-id', 'u3', '--yes', '--json')
  t.match(JSON.parse(released.stdout), { matched: 1, released: 1, joined: 0 })
  const cancel = ['cancel', '--source', 'bulk', '--status', 'held']
  t.match(await run(service, ...cancel), { code: 64, stderr: /Cancel 1 revocation\? Tokens .* --yes/ })
  t.match(await run(service, ...cancel, '--yes', '--force'), { stdout: '1 revocation cancelled.\n' })
  t.match((await service.call('GET', `/revocations/${u2.id}`)).json, { status: 'cancelled' })
  t.match(await run(service, 'cancel', '--all', '--source', 'bulk'), { code: 64, stderr: /one of these/ })
})

t.test('cancel reports what several senders requested, and cancels it with --force', async (t) => {
  const service = await startService(t, { environment: { QLIK_TIMEOUT_MS: '60000' } })
  service.sandbox.tenant.order({ kind: 'hang', route: 'list', times: Number.POSITIVE_INFINITY })
  const signal = async (key = API_KEY) => {
    const headers = { authorization: `Bearer ${key}` }
    return (await service.call('POST', '/logout-hook', { body: { userId: 'u1' }, headers })).json.id
  }
  const arrived = nextCall(service.sandbox, ({ route }) => route === 'list', 'arrived')
  await signal()
  await arrived
  const joined = await signal()
  t.equal(await signal(OTHER_API_KEY), joined)
  const refused = await run(service, 'cancel', '--user-id', 'u1', '--yes')
  t.match(refused, {
    code: 1,
    stdout: '1 revocation cancelled.\n',
    stderr: /^1 revocation cannot be cancelled: CURFEW_SEVERAL_SENDERS\.\n/,
  })
  t.match(await run(service, 'cancel', '--user-id', 'u1', '--yes', '--force'), {
    code: 0,
    stdout: '1 revocation cancelled.\n',
  })
  t.match((await service.call('GET', `/revocations/${joined}`)).json, { status: 'cancelled' })
})

t.test('audit lists and exports entries, and the export verifies', async (t) => {
  const service = await startService(t)
  await service.revoke({ email: 'ann@example.com' })
  const listed = await run(service, 'audit', '--user', 'ann@example.com', '--event', 'signal-accepted')
  t.match(listed, {
    code: 0,
    stdout: /^\S+Z {2}signal-accepted {2}ann@example\.com {2}by api-key API_KEYS\[0\] {2}from 127/,
  })
  t.match(JSON.parse((await run(service, 'audit', '--limit', '1', '--json')).stdout), { hash: String })
  const folder = folderWith(t, { other: 'unchanged' })
  const file = join(folder, 'audit.jsonl')
  symlinkSync(join(folder, 'other'), `${file}.partial`)
  t.match(await run(service, 'audit', 'export', file), { code: 0, stdout: '' })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(await runCommand(['audit', 'verify', file]), { code: 0, stdout: /\nVerified\.\n$/ })
  t.match(JSON.parse((await runCommand(['audit', 'verify', '--json', file])).stdout), {
    verified: true,
    findings: 0,
  })
  const { stdout } = await run(service, 'audit', 'export', '-')
  t.ok(stdout.startsWith(readFileSync(file, 'utf8').split('\n')[0] ?? ''))
  t.match(await run(service, 'audit', 'export', file), { code: 65 }, 'it replaces no file')
  t.equal(readFileSync(join(folder, 'other'), 'utf8'), 'unchanged')
  t.same(readdirSync(folder).sort(), ['audit.jsonl', 'audit.jsonl.partial', 'other'])
  t.match(await run(service, 'audit', '--user', 'u', '--since', 'x'), {
    code: 65,
    stderr: /^CURFEW_REQUEST_INVALID: .*from: /s,
  })
})

t.test('backup copies the database to a new file', async (t) => {
  const service = await startService(t)
  const file = join(temporaryFolder(t), 'copy.db')
  t.match(await run(service, 'backup', file), {
    code: 0,
    stdout: new RegExp(`^${file}: [\\d,]+ bytes\\.\n$`),
  })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(await run(service, 'backup', file), { code: 65, stderr: /was not copied: EEXIST/ })
})

t.test('try sends valid and forged requests of a vendor', async (t) => {
  const { service, environment } = await withSources(t)
  t.match(await runCommand(['try', 'clerk'], environment), {
    code: 0,
    stdout: /^✔ valid request: accepted, 204/,
  })
  for (const name of ['clerk', 'login', 'supabase']) {
    const forged = await runCommand(['try', name, '--forged'], environment)
    t.equal(forged.code, 0, forged.stdout + forged.stderr)
    t.match(
      forged.stdout,
      /(✔ .*: (rejected, 4|unavailable, 5)\d\d: .*\n){5,}\d+ requests sent to \w+, 0 not answered as expected/,
    )
  }
  t.match(await runCommand(['try', 'login'], environment), { code: 69, stderr: /the issuer, listens there/ })
  t.match(await runCommand(['try', 'absent'], environment), {
    code: 64,
    stderr: /Sources: clerk, supabase, login/,
  })
  t.equal((await service.stored()).length, 1)
})

t.test('rejections says that there are none, and needs the role operate for the senders', async (t) => {
  const reader = 'reader-0123456789abcdefghijkl'
  const { path } = configurationFile(t, { apiKeys: [{ name: 'reader', key: reader, roles: ['read'] }] })
  const service = await startService(t, { environment: { CONFIG_FILE: path } })
  t.same(await run(service, 'rejections'), {
    code: 0,
    stdout: 'Nothing was rejected since the start of this replica.\n',
    stderr: '',
  })
  await service.call('POST', '/logout-hook', { body: {} })
  const environment = { CURFEW_URL: service.url, CURFEW_API_KEY: reader }
  const { stdout, stderr } = await runCommand(['rejections'], environment)
  t.match(stdout, /^1 rejection at logout-hook: CURFEW_REQUEST_INVALID: .*\n {4}Correct the members/)
  t.equal(stderr, 'Without the role operate, the senders are not shown.\n')
  t.match(JSON.parse((await run(service, 'rejections', '--json')).stdout), {
    senders: [{ kind: 'api-key', name: 'API_KEYS[0]', lastRejected: { authenticated: true } }],
    reasons: [{ source: 'logout-hook', code: 'CURFEW_REQUEST_INVALID', count: 1 }],
  })
})

t.test('try plays an issuer whose keys are on loopback, and says how to configure that', async (t) => {
  const ports = [await freePort(), await freePort()]
  const issued = { audience: 'my-app', issuer: 'https://login.example.com/' }
  const { path } = configurationFile(t, {
    tenants: [entryFor('a')],
    sources: [
      {
        ...issued,
        name: 'login',
        kind: 'oidc-back-channel-logout',
        jwksUri: `http://127.0.0.1:${ports[0]}/k`,
      },
      { ...issued, name: 'events', kind: 'shared-signals', issuer: `http://127.0.0.1:${ports[1]}/tenants/a` },
      {
        ...issued,
        name: 'okta',
        kind: 'global-token-revocation',
        jwksUri: `http://127.0.0.1:${ports[0]}/keys`,
      },
      { ...issued, name: 'away', kind: 'oidc-back-channel-logout' },
    ],
  })
  const service = await startService(t, { environment: { CONFIG_FILE: path } })
  const environment = { ...service.environment, CURFEW_URL: service.url, CURFEW_API_KEY: API_KEY }
  for (const name of ['login', 'events', 'okta']) {
    const { code, stdout, stderr } = await runCommand(['try', name], environment)
    t.equal(code, 0, stdout + stderr)
    t.match(stdout, /^✔ valid request: .*\n1 request sent to \w+, 0 not answered as expected\.\n$/)
  }
  t.match((await service.stored()).map(({ source }) => source).sort(), ['events', 'login'])
  t.match(await runCommand(['try', 'away'], environment), {
    code: 64,
    stderr: /set "jwksUri": .* never .* production/,
  })
  const other = await openIssuer({ port: ports[0] })
  t.teardown(() => other.close())
  t.match(await runCommand(['try', 'login'], environment), { code: 69, stderr: /another program/ })
})

async function withSources(t: Test) {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const issuer = await openIssuer()
  t.teardown(() => issuer.close())
  const { path } = configurationFile(t, {
    tenants: [entryFor('a')],
    sources: [
      { name: 'clerk', kind: 'clerk', secret },
      { name: 'supabase', kind: 'supabase', secret: `v1,${secret}` },
      { name: 'login', kind: 'oidc-back-channel-logout', issuer: issuer.url, audience: 'my-app' },
    ],
  })
  const service = await startService(t, { environment: { CONFIG_FILE: path } })
  return {
    service,
    environment: { ...service.environment, CURFEW_URL: service.url, CURFEW_API_KEY: API_KEY },
  }
}

t.test('a profile file names the service; it is rejected if others can access it', async (t) => {
  const service = await startService(t)
  const lines = `CURFEW_URL=${service.url}\nCURFEW_API_KEY=${API_KEY}\n`
  const folder = folderWith(t, { 'curfew/profile': lines })
  t.match(await runCommand(['status', '--json'], { XDG_CONFIG_HOME: folder }), {
    code: 0,
    stdout: /"status": "ready"/,
  })
  const profile = join(folder, 'curfew/profile')
  t.match(await runCommand(['audit', '--profile', profile], { CURFEW_URL: 'http://127.0.0.1:9' }), {
    code: 0,
  })
  chmodSync(profile, 0o640)
  const exposed = await runCommand(['audit'], { XDG_CONFIG_HOME: folder })
  t.match(exposed, { code: 78, stderr: `Run: chmod 600 ${profile}` })
  t.notMatch(exposed.stderr, API_KEY)
})
