import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import type { ClientCredentials } from '../../src/qlik/tenant-config.ts'
import type { SandboxOptions } from '../../src/sandbox/options.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { clientKeyPair } from '../support/client-keys.ts'
import { rejection } from '../support/events.ts'
import { listen } from '../support/listen.ts'
import { onlyClient, secret, tenantAt } from './open-client.ts'

const [oldKey, newKey] = [clientKeyPair('RS256', 'old'), clientKeyPair('ES384', 'new')]
const TEN_MINUTES = 600_000

/** A tenant with two credentials for its client, `first` and `second`, and the token requests it makes. */
async function setUp(
  t: Test,
  { credentials, ...options }: SandboxOptions & { credentials: ClientCredentials },
) {
  const sandbox = await startSandbox(options)
  const client = sandbox.tenant.addClient({ secrets: ['second'], publicKeys: [oldKey.publicKey] })
  const lines: { detail?: string }[] = []
  const note = (details: object) => void lines.push(details)
  const log = { info: note, warn: note, error: note }
  const tenant = tenantAt(sandbox.url, client.id, credentials, { log })
  t.teardown(async () => {
    await tenant.stop()
    await sandbox.close()
  })
  return {
    tenant,
    client,
    /** Makes a call that requires a new access token. */
    call() {
      sandbox.tenant.expireAccessTokens(client.id)
      return tenant.listTokens('u1', null, { signal: new AbortController().signal, urgency: 0 })
    },
    /** The statuses of the token requests since the last call of this function. */
    answers: () =>
      sandbox.tenant.calls.splice(0).flatMap(({ route, status }) => (route === 'token' ? [status] : [])),
    details: () => lines.flatMap(({ detail }) => detail ?? []),
  }
}

const PAIRS = [
  ['secret', [secret('first'), secret('second')]],
  ['key', [newKey.credential, oldKey.credential]],
] as const

for (const [kind, credentials] of PAIRS) {
  t.test(`if the first ${kind} is refused, the second one is used and remembered`, async (t) => {
    const { tenant, call, answers, details } = await setUp(t, { credentials })
    t.equal(onlyClient(tenant).state.refusal, null)
    t.match(await call(), { tokens: [] })
    t.same(answers(), [401, 200])
    t.equal(onlyClient(tenant).budget.remaining(2), 8, 'each request counts')
    const refusal = `Qlik Cloud refuses the first of the OAuth client's two ${kind}s; the second one is in use.`
    t.equal(onlyClient(tenant).state.refusal, refusal)
    t.match(await call(), { tokens: [] })
    t.same(answers(), [200])
    t.same(details(), [refusal], 'logged once')
  })

  t.test(`if both ${kind}s are refused, that is one failure, and then one call each time`, async (t) => {
    const { client, tenant, call, answers } = await setUp(t, { credentials })
    const { secrets, publicKeys } = client
    Object.assign(client, { secrets: [], publicKeys: [] })
    const message = `Qlik Cloud refuses both ${kind}s of the OAuth client. Qlik Cloud responded to token with 401 (OAUTH-5).`
    for (const expected of [[401, 401], [401], [401]]) {
      t.match(await rejection(call()), { kind: 'credential-refused', message })
      t.same(answers(), expected)
    }
    t.equal(onlyClient(tenant).state.refusal, `Qlik Cloud refuses both ${kind}s of the OAuth client.`)
    Object.assign(client, { secrets, publicKeys })
    await rejection(call())
    t.match(await call(), { tokens: [] })
    t.same(answers(), [401, 200])
  })
}

t.test('the second credential is not tried if the client is disabled or refused otherwise', async (t) => {
  const { client, tenant, call, answers } = await setUp(t, { credentials: PAIRS[0][1] })
  client.secrets.push('first')
  client.disabled = true
  t.match(await rejection(call()), { kind: 'client-rejected' })
  t.same(answers(), [403])
  t.equal(onlyClient(tenant).state.refusal, null)
})

t.test('if the clock is far off, the key is used once more with the time of the tenant', async (t) => {
  const credentials = [oldKey.credential, newKey.credential] as const
  const { tenant, call, answers, details } = await setUp(t, { credentials, clockSkewMs: TEN_MINUTES })
  t.match(await call(), { tokens: [] })
  t.same(answers(), [401, 200])
  t.equal(onlyClient(tenant).state.refusal, null, 'the key is valid, and the other one was not needed')
  t.same(details(), [])
})

t.test('a tenant with a clock that is always wrong is called twice, not endlessly', async (t) => {
  let asked = 0
  const server = createServer((_request, response) => {
    asked += 1
    const date = new Date(Date.now() + (asked % 2 === 0 ? 1 : -1) * TEN_MINUTES).toUTCString()
    response.writeHead(401, { date }).end('{}')
  })
  const tenant = tenantAt(`http://127.0.0.1:${await listen(server)}`, 'c', [newKey.credential])
  t.teardown(async () => {
    await tenant.stop()
    server.close()
  })
  const call = { signal: new AbortController().signal, urgency: 0 }
  t.match(await rejection(tenant.listTokens('u1', null, call)), { kind: 'unauthorized' })
  t.equal(asked, 2)
})
