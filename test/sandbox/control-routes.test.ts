import t from 'tap'
import { openSandbox } from './open-sandbox.ts'

const options = { control: true, tier1Limit: 1, tier2Limit: 1 }

t.test('another process can create users, clients and tokens', async (t) => {
  const { call, tenant } = await openSandbox(t, options)
  const user = await call('POST', '/sandbox/users', { token: null, body: { email: 'ann@example.com' } })
  t.equal(user.status, 201)
  const client = await call('POST', '/sandbox/clients', { token: null, body: { id: 'curfew', admin: false } })
  t.match(client.body, { id: 'curfew', secret: String, userId: String })
  const body = { userId: user.body.id, count: 3, deviceType: 'Phone' }
  const issued = await call('POST', '/sandbox/tokens', { token: null, body })
  t.equal(issued.status, 201)
  t.equal(issued.body.tokens.length, 3)
  t.match(issued.body.tokens[0], { id: String, accessToken: String, deviceType: 'Phone', revoked: false })
  const alive = await call('GET', `/sandbox/users/${user.body.id}/tokens`, { token: null })
  t.strictSame(alive.body, issued.body)
  const state = await call('GET', '/sandbox/state', { token: null })
  t.equal(state.body.tenantId, tenant.id)
  t.match(state.body.users.at(1), { email: 'ann@example.com', tokens: 3 })
})

t.test('everything has a default', async (t) => {
  const { call } = await openSandbox(t, options)
  t.equal((await call('POST', '/sandbox/users')).status, 201)
  t.equal((await call('POST', '/sandbox/clients')).status, 201)
})

t.test('another process can order and cancel faults, and read the calls', async (t) => {
  const { call } = await openSandbox(t, options)
  const order = { kind: 'status', status: 503, route: 'items', times: 5 }
  t.match((await call('POST', '/sandbox/faults', { body: order })).body, order)
  t.equal((await call('GET', '/api/v1/items')).status, 503)
  t.equal((await call('DELETE', '/sandbox/faults')).status, 204)
  t.equal((await call('GET', '/api/v1/items')).status, 429, 'the limit holds, for the tenant')
  const { body } = await call('GET', '/sandbox/calls')
  t.match(body.calls, [
    { route: 'items', status: 503, fault: 'status' },
    { route: 'items', status: 429, fault: null },
  ])
})

t.test('another process can change the settings of the tenant and a client', async (t) => {
  const { call, client, tenant } = await openSandbox(t, options)
  const settings = await call('PATCH', '/sandbox/settings', {
    body: { lagAfterIssueMs: 3_000, paging: 'offset' },
  })
  t.match(settings, { status: 200, body: { lagAfterIssueMs: 3_000, paging: 'offset', lagAfterRevokeMs: 0 } })
  t.notMatch(settings.body, { port: Number })
  t.match(tenant.settings, { lagAfterIssueMs: 3_000, paging: 'offset', control: true })
  const changes = { admin: false, rolesReported: [], grantedScope: 'user_default', answeredScope: 'none' }
  const changed = await call('PATCH', `/sandbox/clients/${client.id}`, { body: changes })
  t.match(changed.body, { id: client.id, grantedScope: 'user_default', answeredScope: 'none' })
  t.match(tenant.users.get(client.userId), { roles: [], rolesReported: [] })
})

t.test('another process can refresh tokens, spend a rate limit and expire access tokens', async (t) => {
  const { call, client, tenant } = await openSandbox(t, { control: true, tier2Limit: 5 })
  const user = tenant.addUser()
  const [token] = tenant.issueTokens(user.id)
  const refreshed = await call('POST', `/sandbox/users/${user.id}/refresh`, { body: { reuseGrant: true } })
  t.match(refreshed, { status: 201, body: { tokens: [{ grantedAt: token?.grantedAt }] } })
  t.equal((await call('POST', `/sandbox/users/${user.id}/refresh`)).body.tokens.length, 2)
  const spent = await call('POST', `/sandbox/clients/${client.id}/calls`, { body: { tier: 2, count: 9 } })
  t.strictSame(spent.body, { passed: 5 })
  t.equal((await call('DELETE', `/sandbox/clients/${client.id}/access-tokens`)).status, 204)
  t.equal((await call('GET', '/api/v1/items')).status, 401)
})

t.test('invalid requests are rejected', async (t) => {
  const { call, client } = await openSandbox(t, options)
  t.equal((await call('POST', '/sandbox/users', { body: { mail: 'ann@example.com' } })).status, 400)
  t.equal((await call('POST', '/sandbox/faults', { body: { kind: 'earthquake' } })).status, 400)
  t.equal((await call('POST', '/sandbox/tokens', { body: { userId: client.userId, count: 0 } })).status, 400)
  t.equal((await call('PATCH', '/sandbox/settings', { body: { port: 1 } })).status, 400)
  t.equal((await call('PATCH', '/sandbox/settings', { body: { paging: 'random' } })).status, 400)
  t.equal((await call('PATCH', `/sandbox/clients/${client.id}`, { body: { id: 'other' } })).status, 400)
  t.equal((await call('PATCH', '/sandbox/clients/nobody', { body: {} })).status, 404)
  t.equal((await call('POST', '/sandbox/clients/nobody/calls', { body: { tier: 1, count: 1 } })).status, 404)
  t.equal((await call('POST', `/sandbox/clients/${client.id}/calls`, { body: { tier: 3 } })).status, 400)
  t.equal((await call('DELETE', '/sandbox/clients/nobody/access-tokens')).status, 404)
  t.equal((await call('POST', '/sandbox/users/nobody/refresh')).status, 404)
  t.equal((await call('POST', '/sandbox/tokens', { body: { userId: 'nobody' } })).status, 404)
  t.equal((await call('GET', '/sandbox/users/nobody/tokens')).status, 404)
  const taken = await call('POST', '/sandbox/clients', { body: { id: client.id } })
  t.equal(taken.status, 409)
  t.match(taken.body, { errors: [{ detail: /already/ }] })
})

t.test('the control routes exist only if they are enabled', async (t) => {
  const { call } = await openSandbox(t)
  t.equal((await call('GET', '/sandbox/state')).status, 404)
})
