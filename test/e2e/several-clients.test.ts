import t, { type Test } from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import type { SandboxClient } from '../../src/sandbox/tenant.ts'
import { configurationFile } from '../support/config-file.ts'
import { startPostgres } from '../support/postgres.ts'
import { databaseUrl, type Service, startService } from '../support/service.ts'

/** Calls of each client per window; the window is longer than the test. */
const LIMIT = 40

const server = await startPostgres(t)
const STORES: Record<string, (t: Test) => Promise<string>> = {
  sqlite: async (t) => databaseUrl(t),
  postgres: () => server.createDatabase(),
}

/** A tenant with clients, and a function that starts a service for it. */
async function setUp(t: Test, count: number, database: string) {
  const sandbox = await startSandbox({ tier2Limit: LIMIT, tenantLimitShare: null })
  t.teardown(() => sandbox.close())
  const clients = Array.from({ length: count }, () => sandbox.tenant.addClient())
  const contentOf = (used: readonly SandboxClient[]) => ({
    clients: Object.fromEntries(used.map(({ id, secret }) => [id, { clientId: id, clientSecret: secret }])),
    tenants: [{ name: 'acme', url: sandbox.url, clients: used.map(({ id }) => id) }],
  })
  const file = configurationFile(t, contentOf(clients))
  const none = { QLIK_TENANT_URL: '', QLIK_CLIENT_ID: '', QLIK_CLIENT_SECRET: '' }
  const environment = {
    ...none,
    CONFIG_FILE: file.path,
    DATABASE_URL: database,
    QLIK_TIER2_LIMIT: String(LIMIT),
  }
  const [client] = clients
  if (!client) throw new Error('a tenant needs a client')
  return {
    ...{ sandbox, clients },
    start: () => startService(t, { environment, share: { sandbox, client } }),
    use: (used: readonly SandboxClient[]) => file.write(contentOf(used)),
    userWithTokens(tokens: number): string {
      const { id } = sandbox.tenant.addUser()
      sandbox.tenant.issueTokens(id, tokens)
      return id
    },
    /** The number of deletes of each client. */
    deletes: () =>
      clients.map(
        ({ userId }) =>
          sandbox.tenant.calls.filter((call) => call.route === 'revoke' && call.userId === userId).length,
      ),
    refusals: () => sandbox.tenant.calls.filter(({ status }) => status === 429).length,
  }
}

async function accept({ call }: Service, userId: string): Promise<string> {
  return (await call('POST', '/logout-hook', { body: { userId } })).json.id
}

for (const [name, open] of Object.entries(STORES)) {
  t.test(`${name}: three clients revoke three times as many tokens per window`, async (t) => {
    const { start, userWithTokens, deletes, refusals, clients } = await setUp(t, 3, await open(t))
    const service = await start()
    const users = Array.from({ length: 11 }, () => userWithTokens(10))
    const ids = await Promise.all(users.map((userId) => accept(service, userId)))
    for (const id of ids) {
      const { status, verified, proof } = await service.settled(id)
      t.match({ status, verified }, { status: 'completed', verified: true })
      t.ok(clients.some((client) => client.id === proof?.client))
    }
    t.equal(
      deletes().reduce((sum, one) => sum + one),
      110,
    )
    t.ok(deletes().every((one) => one > 0 && one < LIMIT))
    t.equal(refusals(), 0)
  })

  t.test(`${name}: a run continues with a client that a reload adds`, async (t) => {
    const { start, userWithTokens, deletes, refusals, clients, use } = await setUp(t, 3, await open(t))
    use(clients.slice(0, 2))
    const service = await start()
    const id = await accept(service, userWithTokens(100))
    for (let counts = deletes(); (counts[0] ?? 0) + (counts[1] ?? 0) < 78; counts = deletes())
      await new Promise((resolve) => setTimeout(resolve, 5))
    use(clients)
    t.match((await service.call('POST', '/config/reload')).json, { changed: 1 })
    t.match(await service.ended(id), { status: 'completed', tokens: { revoked: 100 } })
    t.equal(deletes()[2], 22)
    t.equal(refusals(), 0)
  })
}

t.test('postgres: two replicas share the budgets of all clients', async (t) => {
  const { start, userWithTokens, deletes, refusals } = await setUp(t, 2, await server.createDatabase())
  const services = [await start(), await start()]
  const users = Array.from({ length: 70 }, () => userWithTokens(1))
  const ended = users.map(async (userId, index) => {
    const service = services[index % 2]
    return service ? service.ended(await accept(service, userId)) : null
  })
  for (const one of await Promise.all(ended)) t.match(one, { status: 'completed' })
  t.equal(
    deletes().reduce((sum, one) => sum + one),
    70,
  )
  t.equal(refusals(), 0)
})

t.test('health and metrics show a refused client, and the tenant works', async (t) => {
  const { start, userWithTokens, clients, sandbox } = await setUp(t, 2, databaseUrl(t))
  const [refused, other] = clients
  if (!refused || !other) return
  sandbox.tenant.changeClient(refused.id, { secrets: ['another'] })
  const service = await start()
  t.match(await service.revoke({ userId: userWithTokens(3) }), {
    verified: true,
    proof: { client: other.id },
  })
  const { json, status } = await service.call('GET', '/health/ready')
  t.equal(status, 200)
  t.match(
    json.checks.find(({ name }: { name: string }) => name === 'tenant:acme'),
    {
      status: 'warning',
      detail: `Client ${refused.id}: Qlik Cloud responded to token with 401 (OAUTH-5). Curfew does not use the client, and tries it again every minute. Check the client in the Qlik administration.`,
    },
  )
  const { text } = await service.call('GET', '/metrics')
  t.match(text, `curfew_qlik_client_refused{tenant="acme",client="${refused.id}"} 1`)
  t.match(text, `curfew_qlik_client_refused{tenant="acme",client="${other.id}"} 0`)
})
