import t, { type Test } from 'tap'
import { configurationFile, sandboxTenant } from '../support/config-file.ts'
import { isProblem } from '../support/problems.ts'
import { API_KEY, type Service, startService } from '../support/service.ts'
import { signed } from '../support/webhook.ts'

const keyOf = (name: string) => `key-of-${name}-0123456789abcdef`
const bearer = (name: string) => ({ authorization: `Bearer ${keyOf(name)}` })
const secretOf = (name: string) =>
  `whsec_${Buffer.alloc(24, `secret of ${name}, long enough`).toString('base64')}`

const SENDERS = { a: ['a'], b: ['b'], both: ['a', 'b'], mixed: ['a', 'default'] }

/** The tenants default, a and b, and a key and a webhook secret for each of `SENDERS`. */
async function startBounded(t: Test) {
  const [a, b] = [await sandboxTenant(t, 'a'), await sandboxTenant(t, 'b')]
  const senders = Object.entries(SENDERS)
  const { path } = configurationFile(t, {
    tenants: [a.entry, b.entry],
    apiKeys: senders.map(([name, tenants]) => ({ key: keyOf(name), tenants })),
    webhookSecrets: senders.map(([name, tenants]) => ({ secret: secretOf(name), tenants })),
  })
  const service = await startService(t, { environment: { CONFIG_FILE: path } })
  /** A signal for one user in each tenant, with the unrestricted key. */
  const ids: Record<string, string> = {}
  for (const tenant of ['default', 'a', 'b']) {
    ids[tenant] = (await service.revoke({ userId: `user-of-${tenant}`, tenant })).id
  }
  return { service, ids, sandboxes: { a: a.sandbox, b: b.sandbox } }
}

/** Each way to send a signal with an API key, with or without a tenant. */
const post = (path: (tenant?: string) => string, body: (tenant?: string) => object) => {
  return (service: Service, headers: Record<string, string>, tenant?: string) =>
    service.call('POST', path(tenant), { headers, body: body(tenant) })
}
const inQuery = (tenant?: string) => (tenant ? `tenant=${tenant}` : '')
const SIGNALS = {
  'logout-hook': post(
    () => '/logout-hook',
    (tenant) => ({ userId: 'u1', tenant }),
  ),
  'revoke-all': post(
    (tenant) => `/users/u1/revoke-all?${inQuery(tenant)}`,
    () => ({}),
  ),
  'dry run': post(
    (tenant) => `/users/u1/revoke-all?dryRun=true&${inQuery(tenant)}`,
    () => ({}),
  ),
  'dry run of a logout': post(
    () => '/logout-hook?dryRun=true',
    (tenant) => ({ userId: 'u1', tenant }),
  ),
  'dry run of many': post(
    () => '/revocations?dryRun=true',
    (tenant) => ({ users: [{ userId: 'u1' }], tenant }),
  ),
  bulk: post(
    () => '/revocations',
    (tenant) => ({ users: [{ userId: 'u1' }], tenant }),
  ),
}

for (const [way, send] of Object.entries(SIGNALS)) {
  t.test(`${way}: another sender's tenant gets the same answer as one that does not exist`, async (t) => {
    const { service } = await startBounded(t)
    const texts = new Set<string>()
    for (const tenant of ['b', 'default', 'elsewhere']) {
      const reply = await send(service, bearer('a'), tenant)
      isProblem(t, reply, 'CURFEW_UNKNOWN_TENANT')
      texts.add(reply.text.replace(/"requestId":.*/, ''))
    }
    t.equal(texts.size, 1, 'with the same body')
    for (const tenant of ['a', undefined]) {
      const reply = await send(service, bearer('a'), tenant)
      t.ok(reply.status < 300, `${tenant}: ${reply.text}`)
    }
  })

  t.test(
    `${way}: a key for several tenants must name one, unless the default one is among them`,
    async (t) => {
      const { service } = await startBounded(t)
      isProblem(t, await send(service, bearer('both')), 'CURFEW_REQUEST_INVALID', '/tenant')
      for (const [sender, tenant] of [
        ['both', 'b'],
        ['mixed', 'a'],
        ['mixed', undefined],
      ] as const) {
        t.ok((await send(service, bearer(sender), tenant)).status < 300, `${sender}, ${tenant}`)
      }
      isProblem(t, await send(service, bearer('both'), 'default'), 'CURFEW_UNKNOWN_TENANT')
    },
  )
}

t.test(
  "a signal without a tenant is for the sender's only tenant, or else for the default one",
  async (t) => {
    const { service } = await startBounded(t)
    const meant = async (headers: Record<string, string>) =>
      (await service.call('POST', '/logout-hook', { headers, body: { userId: 'u1' } })).json.tenant
    t.equal(await meant(bearer('b')), 'b')
    t.equal(await meant(bearer('mixed')), 'default')
    t.equal(await meant({}), 'default')
  },
)

t.test('a webhook is valid for the tenants of the secret that signed it', async (t) => {
  const { service } = await startBounded(t)
  const deliver = (sender: string, content: object) => {
    const body = JSON.stringify(content)
    return service.call('POST', '/logout-hook', { body, headers: signed(body, { secret: secretOf(sender) }) })
  }
  t.match((await deliver('a', { userId: 'u1' })).json, { tenant: 'a' })
  t.match((await deliver('both', { userId: 'u1', tenant: 'b' })).json, { tenant: 'b' })
  for (const tenant of ['b', 'default', 'elsewhere'])
    isProblem(t, await deliver('a', { userId: 'u1', tenant }), 'CURFEW_UNKNOWN_TENANT')
  isProblem(t, await deliver('both', { userId: 'u1' }), 'CURFEW_REQUEST_INVALID', '/tenant')
})

t.test('identical webhooks from senders of different tenants are two signals', async (t) => {
  const { service, sandboxes } = await startBounded(t)
  for (const { tenant } of Object.values(sandboxes)) tenant.issueTokens(tenant.addUser({ id: 'u1' }).id, 1)
  const body = '{"userId":"u1"}'
  const deliver = (secret: string) =>
    service.call('POST', '/logout-hook', { body, headers: signed(body, { id: 'msg_1', secret }) })
  const first = await deliver(secretOf('a'))
  const second = await deliver(secretOf('b'))
  t.match([first.json.tenant, second.json.tenant], ['a', 'b'])
  t.not(first.json.id, second.json.id)
  for (const { json } of [first, second]) t.match(await service.ended(json.id), { tokens: { revoked: 1 } })
  t.equal((await deliver(secretOf('b'))).text, second.text, 'each repetition gets its own answer')
})

t.test('a restricted key sees only the revocations of its tenants', async (t) => {
  const { service, ids } = await startBounded(t)
  const list = async (sender: string, query = '') => {
    const { json } = await service.call('GET', `/revocations${query}`, { headers: bearer(sender) })
    return json.items.map(({ tenant }: { tenant: string }) => tenant)
  }
  t.same(await list('a'), ['a'])
  t.same(await list('both'), ['b', 'a'])
  t.same(await list('mixed'), ['a', 'default'])
  t.same(await list('both', '?tenant=b'), ['b'])
  t.same(await list('a', '?tenant=b'), [])
  t.same(await list('a', '?userId=user-of-b'), [])
  t.equal((await service.stored()).length, 3)

  for (const [method, path] of [
    ['GET', `/revocations/${ids.b}`],
    ['POST', `/revocations/${ids.b}/retry`],
  ] as const) {
    isProblem(t, await service.call(method, path, { headers: bearer('a') }), 'CURFEW_UNKNOWN_REVOCATION')
    const own = await service.call(method, path, { headers: bearer('b') })
    t.ok([200, 202].includes(own.status), `${method} ${own.text}`)
  }
})

t.test('a restricted key cannot reload the configuration', async (t) => {
  const { service } = await startBounded(t)
  isProblem(t, await service.call('POST', '/config/reload', { headers: bearer('both') }), 'CURFEW_FORBIDDEN')
  t.equal(
    (await service.call('POST', '/config/reload', { headers: { authorization: `Bearer ${API_KEY}` } }))
      .status,
    200,
  )
})
