import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { openIssuer } from '../../src/sandbox/identity-provider/issuer.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { configurationFile } from '../support/config-file.ts'
import { startPostgres } from '../support/postgres.ts'
import { runCommand } from '../support/process.ts'
import { API_KEY, databaseUrl, environmentFor, startService, temporaryFolder } from '../support/service.ts'

/** An address where nothing listens. */
const NOWHERE = { CURFEW_URL: 'http://127.0.0.1:9', CURFEW_API_KEY: API_KEY }

async function doctor(t: Test, environment: Record<string, string>) {
  const { code, stdout, stderr } = await runCommand(['doctor', '--json'], { ...NOWHERE, ...environment })
  t.equal(stderr, '')
  const { findings } = JSON.parse(stdout)
  const named = new Map<string, { status: string; detail: string; action?: string }>()
  for (const { what, ...finding } of findings) named.set(what, finding)
  return { code, named, stdout }
}

async function sandboxFor(t: Test) {
  const sandbox = await startSandbox()
  t.teardown(() => sandbox.close())
  return sandbox
}

t.test('with a running service, everything is checked, and each line says what was found', async (t) => {
  const issuer = await openIssuer()
  t.teardown(() => issuer.close())
  const entry = { name: 'login', kind: 'oidc-back-channel-logout', issuer: issuer.url, audience: 'my-app' }
  const { path } = configurationFile(t, { sources: [entry] })
  // Other files of the process move the shared clock, and the command compares the tenant's clock with the real one.
  const service = await startService(t, { environment: { CONFIG_FILE: path }, clock: systemClock })
  await service.call('POST', '/sources/login/backchannel-logout', {
    body: 'x',
    headers: { authorization: '' },
  })
  const environment = { ...service.environment, CURFEW_URL: service.url }
  const { code, named } = await doctor(t, environment)
  t.equal(code, 0)
  t.match(Object.fromEntries(named), {
    configuration: { status: 'ok' },
    store: { status: 'ok', detail: /writable/ },
    disk: { status: String },
    'tenant default client': { status: 'ok', detail: /tenant-admin.*admin_classic/ },
    'tenant default clock': { status: 'ok' },
    'source login': { status: 'ok', detail: /1 keys at/ },
    service: { status: 'ok' },
    'signals of login': { status: 'warning', detail: /last rejected .*, CURFEW_/ },
  })
  const { stdout } = await runCommand(['doctor'], { ...environment, CURFEW_API_KEY: API_KEY })
  t.match(stdout, /^✔ configuration: valid; 1 tenant, 1 source\n✔ store: .*\n/)
  t.match(stdout, /\n0 problems, \d warnings?\.\n$/)
})

t.test('a client without its role, scope or secret is reported with what to do', async (t) => {
  const sandbox = await sandboxFor(t)
  const plain = sandbox.tenant.addClient({ admin: false })
  const admin = sandbox.tenant.addClient()
  const check = async ({ id, secret }: { id: string; secret: string }, more = {}) => {
    const environment = environmentFor(sandbox, { id, secret }, databaseUrl(t), more)
    return (await doctor(t, environment)).named.get('tenant default client')
  }
  t.match(await check(plain), {
    status: 'failed',
    detail: /lacks the role TenantAdmin/,
    action: /Assign TenantAdmin/,
  })
  const narrow = await check(admin, { QLIK_SCOPE: 'user_default' })
  t.match(narrow, { status: 'failed', detail: /granted scope "user_default"/, action: /admin_classic/ })
  const refused = await check({ id: admin.id, secret: 'marker' })
  t.match(refused, { status: 'failed', detail: /CURFEW_QLIK_/, action: /secret/ })
  t.notMatch(JSON.stringify(refused), 'marker')
})

t.test('a broken store, a missing issuer and an invalid configuration exit with 1 and 78', async (t) => {
  const sandbox = await sandboxFor(t)
  const client = sandbox.tenant.addClient()
  const file = join(temporaryFolder(t), 'curfew.db')
  writeFileSync(file, 'this is not a database, but long enough to be read as one')
  const issuer = {
    name: 'login',
    kind: 'oidc-back-channel-logout',
    issuer: 'http://127.0.0.1:9',
    audience: 'a',
  }
  const { path } = configurationFile(t, { sources: [issuer] })
  const broken = await doctor(t, environmentFor(sandbox, client, `sqlite:${file}`, { CONFIG_FILE: path }))
  t.equal(broken.code, 1)
  t.match(broken.named.get('integrity'), { status: 'failed', action: /backup/ })
  t.match(broken.named.get('source login'), { status: 'failed', action: /issuer/ })
  t.match(broken.named.get('service'), { status: 'skipped', detail: /Nothing answers at/ })
  const invalid = await doctor(t, { PORT: 'marker' })
  t.equal(invalid.code, 78)
  t.match(invalid.named.get('configuration PORT'), { status: 'failed' })
  t.notMatch(invalid.stdout, 'marker')
})

t.test('PostgreSQL is checked for latency, version, TLS and role', async (t) => {
  const postgres = await startPostgres(t)
  const sandbox = await sandboxFor(t)
  const url = await postgres.createDatabase()
  const { code, named } = await doctor(t, environmentFor(sandbox, sandbox.tenant.addClient(), url))
  t.equal(code, 0)
  t.match(Object.fromEntries(named), {
    store: { detail: /answers in [\d.]+ ms/ },
    'store version': { status: 'ok' },
    'store TLS': { detail: /encrypted/ },
    'store role': { status: 'ok' },
  })
  const away = await doctor(
    t,
    environmentFor(sandbox, sandbox.tenant.addClient(), 'postgres://u:marker@127.0.0.1:9/d'),
  )
  t.match(away.named.get('store'), { status: 'failed', detail: /ECONNREFUSED/ })
  t.notMatch(away.stdout, 'marker')
})

t.test('each of several clients of a tenant is checked', async (t) => {
  const sandbox = await sandboxFor(t)
  const [good, plain] = [sandbox.tenant.addClient(), sandbox.tenant.addClient({ admin: false })]
  const entry = ({ id, secret }: typeof good) => ({ clientId: id, clientSecret: secret })
  const { path } = configurationFile(t, {
    clients: { good: entry(good), plain: entry(plain) },
    tenants: [{ name: 'a', url: sandbox.url, clients: ['good', 'plain'] }],
  })
  const own = sandbox.tenant.addClient()
  const environment = environmentFor(sandbox, own, databaseUrl(t), { CONFIG_FILE: path })
  const { named } = await doctor(t, environment)
  t.match(named.get(`tenant a ${good.id} client`), { status: 'ok' })
  t.match(named.get(`tenant a ${plain.id} client`), { status: 'failed', action: /TenantAdmin/ })
})
