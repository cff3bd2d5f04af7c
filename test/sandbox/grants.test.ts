import t from 'tap'
import { grantFor, openSandbox, stoppedClock } from './open-sandbox.ts'

t.test('a client gets an access token that works', async (t) => {
  const clock = stoppedClock()
  const { call, client } = await openSandbox(t, { now: clock.now })
  const { status, body } = await call('POST', '/oauth/token', { token: null, body: grantFor(client) })
  t.equal(status, 200)
  t.match(body, {
    access_token: /^\S{40,}$/,
    token_type: 'bearer',
    scope: 'admin_classic',
    expires_in: 21_600,
    expires_at: '2026-11-21T18:00:00.000Z',
  })
  t.equal((await call('GET', '/api/v1/items', { token: body.access_token })).status, 200)
})

t.test('the request may be a form', async (t) => {
  const { url, client } = await openSandbox(t)
  const answer = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams(grantFor(client)),
  })
  t.equal(answer.status, 200)
})

t.test('a wrong secret and an unknown client get 401 with the documented code', async (t) => {
  const { call, client } = await openSandbox(t)
  for (const wrong of [{ client_secret: 'guess' }, { client_id: 'nobody' }]) {
    const { status, body } = await call('POST', '/oauth/token', {
      token: null,
      body: { ...grantFor(client), ...wrong },
    })
    t.equal(status, 401)
    t.match(body, {
      errors: [{ title: 'Unauthorized', code: 'OAUTH-5', status: '401' }],
      traceId: /^[0-9a-f]{32}$/,
    })
  }
})

t.test('a disabled client gets 403', async (t) => {
  const { call, client } = await openSandbox(t, {}, { disabled: true })
  t.equal((await call('POST', '/oauth/token', { body: grantFor(client) })).status, 403)
})

t.test('an invalid request gets 400', async (t) => {
  const { url, call, client } = await openSandbox(t)
  for (const body of [
    undefined,
    {},
    [],
    { ...grantFor(client), grant_type: 'password' },
    { ...grantFor(client), scope: 1 },
  ]) {
    const answer = await call('POST', '/oauth/token', { body })
    t.equal(answer.status, 400)
    t.match(answer.body, { errors: [{ code: 'HTTP-400', status: '400' }] })
  }
  const headers = { 'content-type': 'application/json' }
  t.equal(
    (await fetch(`${url}/oauth/token`, { method: 'POST', headers, body: '{' })).status,
    400,
    'broken JSON',
  )
})

t.test('either expiry member can be omitted, for the tenant or for a client', async (t) => {
  const { call, client, tenant } = await openSandbox(t, { expiryFields: 'expires_at' })
  const membersFor = async (asked: typeof client) => {
    const { body } = await call('POST', '/oauth/token', { body: grantFor(asked) })
    return Object.keys(body).filter((name) => name.startsWith('expires'))
  }
  t.strictSame(await membersFor(client), ['expires_at'])
  t.strictSame(await membersFor(tenant.addClient({ expiryFields: 'expires_in' })), ['expires_in'])
  t.strictSame(await membersFor(tenant.addClient({ expiryFields: 'none' })), [])
})

t.test('an access token expires, and is then not listed', async (t) => {
  const clock = stoppedClock()
  const { call, client, tenant } = await openSandbox(t, { now: clock.now, accessTokenLifetimeMs: 60_000 })
  clock.time += 59_999
  t.equal((await call('GET', '/api/v1/oauth-tokens')).body.data.length, 1)
  clock.time += 1
  t.strictSame(tenant.tokensOf(client.userId), [])
  t.equal((await call('GET', '/api/v1/oauth-tokens')).status, 401)
})

t.test('an expired access token is not listed for others, and is removed', async (t) => {
  const clock = stoppedClock()
  const { call, tenant } = await openSandbox(t, { now: clock.now })
  const brief = tenant.addClient({ accessTokenLifetimeMs: 1_000 })
  tenant.issueAccessToken(brief, 'admin_classic')
  const list = async () => (await call('GET', `/api/v1/oauth-tokens?userId=${brief.userId}`)).body.data.length
  t.equal(await list(), 1)
  clock.time += 1_000
  t.equal(await list(), 0)
  const later = tenant.issueAccessToken(brief, 'admin_classic')
  t.strictSame(tenant.tokens.ofUser(brief.userId), [later])
})

t.test('access tokens can be expired; a new one works', async (t) => {
  const { call, client, tenant } = await openSandbox(t)
  tenant.expireAccessTokens(client.id)
  t.equal((await call('GET', '/api/v1/oauth-tokens')).status, 401)
  const { body } = await call('POST', '/oauth/token', { body: grantFor(client) })
  t.equal((await call('GET', '/api/v1/oauth-tokens', { token: body.access_token })).status, 200)
})

t.test('each access token is an OAuth token of the bot user', async (t) => {
  const { call, client } = await openSandbox(t)
  await call('POST', '/oauth/token', { body: grantFor(client) })
  const { body } = await call('GET', `/api/v1/oauth-tokens?userId=${client.userId}`)
  t.equal(body.data.length, 2, 'the one that the test began with, and the new one')
  t.match(body.data[1], { id: /^[0-9a-f]{24}$/, userId: client.userId, clientId: client.id })
})

t.test(
  'if the granted scope is narrower than requested, the response says so and others are hidden',
  async (t) => {
    const { call, client, tenant } = await openSandbox(t)
    const user = tenant.addUser()
    tenant.issueTokens(user.id, 2)
    const request = async () => {
      const { body } = await call('POST', '/oauth/token', { token: null, body: grantFor(client) })
      const list = await call('GET', `/api/v1/oauth-tokens?userId=${user.id}`, { token: body.access_token })
      return [body.scope, list.body.data.length]
    }
    t.strictSame(await request(), ['admin_classic', 2])
    tenant.changeClient(client.id, { grantedScope: 'user_default' })
    t.strictSame(await request(), ['user_default', 0])
    tenant.changeClient(client.id, { answeredScope: 'requested' })
    t.strictSame(await request(), ['admin_classic', 0], 'an answer that says more than was granted')
    tenant.changeClient(client.id, { answeredScope: 'none' })
    t.strictSame(await request(), [undefined, 0])
    tenant.changeClient(client.id, { grantedScope: null, answeredScope: 'granted' })
    t.strictSame(await request(), ['admin_classic', 2])
  },
)

t.test(
  'a scope can be narrowed for one client, also at its creation; access tokens keep theirs',
  async (t) => {
    const { call, client, tenant } = await openSandbox(t)
    const narrow = tenant.addClient({ grantedScope: 'user_default' })
    const { body } = await call('POST', '/oauth/token', { body: grantFor(narrow) })
    t.equal(body.scope, 'user_default')
    tenant.changeClient(client.id, { grantedScope: 'user_default' })
    tenant.issueTokens(tenant.addUser().id)
    t.equal((await call('GET', '/api/v1/oauth-tokens')).body.data.length, 3, 'with the token that was out')
  },
)
