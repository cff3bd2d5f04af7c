import { chmodSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { SandboxClient } from '../../src/sandbox/tenant.ts'
import { clientKeyPair, ecPair } from '../support/client-keys.ts'
import { testClock } from '../support/clock.ts'
import { configurationFile } from '../support/config-file.ts'
import { nextCall } from '../support/events.ts'
import { isProblem } from '../support/problems.ts'
import { startService } from '../support/service.ts'

const CLIENT_ID = 'client-1'

/** The service and its tenant. `members` of CONFIG_FILE and `files` next to it configure the tenant's client. */
async function setUp(
  t: Test,
  {
    atQlik,
    ...configuration
  }: {
    atQlik: Partial<Pick<SandboxClient, 'secrets' | 'publicKeys'>>
    members: object
    files?: Record<string, string>
  },
) {
  const sandbox = await startSandbox({ now: testClock.now })
  t.teardown(() => sandbox.close())
  const client = sandbox.tenant.addClient({ id: CLIENT_ID, ...atQlik })
  const file = configurationFile(t, {})
  const write = (members: object, files: Record<string, string> = {}) => {
    const tenant = { name: 'default', url: sandbox.url, clientId: CLIENT_ID, ...members }
    file.write({ tenants: [tenant] })
    for (const [name, content] of Object.entries(files)) {
      file.beside(name, content)
      chmodSync(join(dirname(file.path), name), 0o600)
    }
  }
  write(configuration.members, configuration.files)
  const environment = {
    ...{ QLIK_TENANT_URL: '', QLIK_CLIENT_ID: '', QLIK_CLIENT_SECRET: '' },
    CONFIG_FILE: file.path,
  }
  /** The last call that Curfew makes when it opens a tenant. */
  const lookedAt = () => nextCall(sandbox, ({ route, status }) => route === 'user' && status === 200)
  const tokenAnswers = () =>
    sandbox.tenant.calls.splice(0).flatMap(({ route, status }) => (route === 'token' ? [status] : []))
  const opened = lookedAt()
  const service = await startService(t, { environment, share: { sandbox, client } })
  await opened
  const lines = () => service.logLines.map((line) => JSON.parse(line))
  return {
    service,
    client,
    folder: dirname(file.path),
    /** Reloads the configuration. `answers`: the status of each token request until the tenant is open again. */
    async reload(members: object, files?: Record<string, string>) {
      write(members, files)
      tokenAnswers()
      const reopened = lookedAt()
      const reply = await service.call('POST', '/config/reload')
      if (reply.json.changed === 1) await reopened
      return { ...reply, answers: tokenAnswers() }
    },
    /** Logs a user out, which requires a new access token. `answers`: the status of each token request. */
    async logOut() {
      sandbox.tenant.expireAccessTokens(CLIENT_ID)
      tokenAnswers()
      const { id } = service.userWithTokens(3)
      const { status, verified, tokens } = await service.revoke({ userId: id })
      const alive = sandbox.tenant.tokensOf(id).length
      return { status, verified, revoked: tokens.revoked, alive, answers: tokenAnswers() }
    },
    async check() {
      const { json } = await service.call('GET', '/health/ready')
      return json.checks.find(({ name }: { name: string }) => name === 'tenant:default')
    },
    lines,
    warnings: (message: string) => lines().filter(({ level, msg }) => level === 40 && msg === message),
  }
}

const GONE = { status: 'completed', verified: true, revoked: 3, alive: 0 }
const REFUSES = 'the token endpoint refuses credentials of the OAuth client'
const firstRefused = (kind: string) =>
  `Qlik Cloud refuses the first of the OAuth client's two ${kind}s; the second one is in use.`

t.test('a client that authenticates with a key logs users out, with each algorithm', async (t) => {
  const rs256 = clientKeyPair('RS256')
  const rs512 = clientKeyPair('RS512', 'k1')
  const es384 = clientKeyPair('ES384', 'k2')
  const pkcs1 = String(rs256.privateKey.export({ type: 'pkcs1', format: 'pem' }))
  const jwk = JSON.stringify({ ...es384.privateKey.export({ format: 'jwk' }), kid: 'k2' })
  const cases = [
    ['RS256', rs256, pkcs1, {}],
    ['RS512', rs512, rs512.pem, { algorithm: 'RS512', keyId: 'k1' }],
    ['ES384', es384, jwk, {}],
  ] as const
  for (const [algorithm, { publicKey }, key, settings] of cases) {
    const { logOut, check } = await setUp(t, {
      atQlik: { secrets: [], publicKeys: [publicKey] },
      members: { privateKeys: [{ keyFile: 'key', ...settings }] },
      files: { key },
    })
    t.match(await logOut(), GONE, algorithm)
    t.match(await check(), { status: 'ok' }, algorithm)
  }
})

t.test('a secret is rotated by reloads without a refused call', async (t) => {
  const { client, logOut, reload, check, warnings } = await setUp(t, {
    atQlik: { secrets: ['old-secret'] },
    members: { clientSecretFile: 'secret' },
    files: { secret: 'old-secret' },
  })
  t.match(await logOut(), GONE)
  client.secrets.push('new-secret')
  const both = { clientSecretFiles: ['new', 'secret'] }
  t.match(await reload(both, { new: 'new-secret' }), { json: { changed: 1 }, answers: [200] })
  t.strictSame(await logOut(), { ...GONE, answers: [200] })
  client.secrets.shift()
  t.strictSame(await logOut(), { ...GONE, answers: [200] })
  t.match(await reload({ clientSecretFile: 'new' }), { json: { changed: 1 }, answers: [200] })
  t.strictSame(await logOut(), { ...GONE, answers: [200] })
  t.match(await check(), { status: 'ok' })
  t.same(warnings(REFUSES), [])
})

t.test('if the secret in use is revoked, the other one is used', async (t) => {
  const { service, client, logOut, reload, check, warnings } = await setUp(t, {
    atQlik: { secrets: ['old-secret', 'new-secret'] },
    members: { clientSecrets: ['old-secret', 'new-secret'] },
  })
  t.strictSame(await logOut(), { ...GONE, answers: [200] })
  client.secrets = ['new-secret']
  t.strictSame(await logOut(), { ...GONE, answers: [401, 200] })
  t.strictSame(await logOut(), { ...GONE, answers: [200] })
  t.match(await check(), { status: 'warning', detail: firstRefused('secret') })
  t.match(warnings(REFUSES), [{ tenant: 'default', detail: firstRefused('secret') }])
  t.match(await reload({ clientSecrets: ['new-secret'] }), { status: 200 })
  t.strictSame(await logOut(), { ...GONE, answers: [200] })
  t.match(await check(), { status: 'ok' })
  t.notMatch(service.logLines.join(''), /old-secret|new-secret/)
})

t.test('a key is rotated by reloads, also to another algorithm, and no key is logged', async (t) => {
  const [oldKey, newKey] = [clientKeyPair('RS256', 'old'), clientKeyPair('ES384', 'new')]
  const oldMember = { keyFile: 'old.pem', keyId: 'old' }
  const newMember = { keyFile: 'new.pem', keyId: 'new' }
  const { service, client, logOut, reload, check, warnings } = await setUp(t, {
    atQlik: { secrets: [], publicKeys: [oldKey.publicKey] },
    members: { privateKeys: [oldMember] },
    files: { 'old.pem': oldKey.pem, 'new.pem': newKey.pem },
  })
  t.match(await logOut(), GONE)
  const both = { privateKeys: [newMember, oldMember] }
  const notYetKnown = await reload(both)
  t.match(notYetKnown, { json: { changed: 1 }, answers: [401, 200] }, 'Qlik does not know the new one yet')
  t.strictSame(await logOut(), { ...GONE, answers: [200] })
  t.match(await check(), { status: 'warning', detail: firstRefused('key') })
  client.publicKeys = [newKey.publicKey]
  t.strictSame(await logOut(), { ...GONE, answers: [401, 200] }, 'now Qlik refuses the old one')
  t.match(await check(), {
    status: 'warning',
    detail: "Qlik Cloud refuses the second of the OAuth client's two keys; the first one is in use.",
  })
  t.match(await reload(both), { json: { changed: 0 }, answers: [] })
  t.match(await reload({ privateKeys: [newMember] }), { json: { changed: 1 }, answers: [200] })
  t.strictSame(await logOut(), { ...GONE, answers: [200] })
  t.match(await check(), { status: 'ok' })
  t.ok(warnings(REFUSES).length >= 2)
  const base64 = [oldKey, newKey].flatMap(({ pem }) => pem.split('\n').filter((line) => line.length === 64))
  const logged = service.logLines.join('')
  for (const line of [...base64, 'PRIVATE KEY', 'eyJhbGci']) t.notOk(logged.includes(line), line)
})

t.test('a changed key file is reloaded, and an invalid one changes nothing', async (t) => {
  const [oldKey, newKey] = [clientKeyPair('RS256'), clientKeyPair('RS256')]
  const members = { privateKeys: [{ keyFile: 'key.pem' }] }
  const { client, logOut, reload } = await setUp(t, {
    atQlik: { secrets: [], publicKeys: [oldKey.publicKey, newKey.publicKey] },
    members,
    files: { 'key.pem': oldKey.pem },
  })
  const wrong = String(ecPair('P-256').privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const refused = await reload(members, { 'key.pem': wrong })
  isProblem(t, refused, 'CURFEW_CONFIG_INVALID', 'CONFIG_FILE /tenants/0/privateKeys/0/keyFile')
  t.strictSame(await logOut(), { ...GONE, answers: [200] }, 'the old key stays in use')
  t.match(await reload(members, { 'key.pem': newKey.pem }), { status: 200, json: { changed: 1 } })
  client.publicKeys = [newKey.publicKey]
  t.strictSame(await logOut(), { ...GONE, answers: [200] })
})

t.test('a world-readable key file causes a warning, at start and at reload', async (t) => {
  const { publicKey, pem } = clientKeyPair('ES384')
  const members = { privateKeys: [{ keyFile: 'key.pem' }] }
  const message = 'the configuration should be changed'
  const { folder, reload, warnings } = await setUp(t, {
    atQlik: { publicKeys: [publicKey] },
    members,
    files: { 'key.pem': pem },
  })
  t.same(warnings(message), [])
  chmodSync(join(folder, 'key.pem'), 0o644)
  await reload(members)
  t.match(warnings(message), [
    {
      key: 'CONFIG_FILE /tenants/0/privateKeys/0/keyFile',
      expected: 'expected a file that other users of the machine cannot read',
    },
  ])
  const environment = {
    QLIK_CLIENT_SECRET: '',
    QLIK_CLIENT_KEY_FILE: join(folder, 'key.pem'),
  }
  const { logLines, revoke } = await startService(t, { environment, client: { publicKeys: [publicKey] } })
  t.match(
    logLines.map((line) => JSON.parse(line)),
    [{ level: 40, msg: message, key: 'QLIK_CLIENT_KEY_FILE' }],
  )
  t.match(await revoke({ userId: 'u1' }), { status: 'completed' })
})
