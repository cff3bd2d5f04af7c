import t from 'tap'
import { grantFor, openSandbox, stoppedClock } from './open-sandbox.ts'

t.test('the call over the limit gets the documented answer', async (t) => {
  const clock = stoppedClock()
  const { call } = await openSandbox(t, { tier2Limit: 2, windowMs: 13_000, now: clock.now })
  await call('DELETE', '/api/v1/oauth-tokens/one')
  await call('DELETE', '/api/v1/oauth-tokens/two')
  const refused = await call('DELETE', '/api/v1/oauth-tokens/three')
  t.equal(refused.status, 429)
  t.equal(refused.headers.get('retry-after'), '13')
  t.strictSame(refused.body, {
    errors: [
      {
        code: 'HTTP-429',
        title: 'API rate limit reached.',
        detail: 'You need to wait 13 seconds until limit is lifted.',
      },
    ],
  })
})

t.test('a 429 shuts the whole tier, and only that one, until the time is over', async (t) => {
  const clock = stoppedClock()
  const { call, client } = await openSandbox(t, { tier2Limit: 1, windowMs: 13_000, now: clock.now })
  await call('DELETE', '/api/v1/oauth-tokens/one')
  clock.time += 12_500
  t.equal((await call('DELETE', '/api/v1/oauth-tokens/two')).headers.get('retry-after'), '1')
  clock.time += 999
  const grant = await call('POST', '/oauth/token', { body: grantFor(client) })
  t.equal(grant.status, 429, 'the token endpoint is of the same tier')
  t.equal((await call('GET', '/api/v1/oauth-tokens')).status, 200, 'listing is of the other')
  clock.time += 1
  t.equal((await call('DELETE', '/api/v1/oauth-tokens/two')).status, 404, 'the tier is open again')
})

t.test('token requests count for the bot user of the client, also with a wrong secret', async (t) => {
  const { call, client, tenant } = await openSandbox(t, { tier2Limit: 2 })
  const other = tenant.addClient()
  const wrong = { ...grantFor(client), client_secret: 'guess' }
  t.equal((await call('POST', '/oauth/token', { token: null, body: wrong })).status, 401)
  t.equal((await call('POST', '/oauth/token', { token: null, body: grantFor(client) })).status, 200)
  t.equal((await call('POST', '/oauth/token', { token: null, body: wrong })).status, 429)
  t.equal((await call('POST', '/oauth/token', { token: null, body: grantFor(other) })).status, 200)
})

t.test('a request of a client that nobody knows is counted for nobody', async (t) => {
  const { call } = await openSandbox(t, { tier2Limit: 1 })
  const body = { grant_type: 'client_credentials', client_id: 'nobody', client_secret: 'x' }
  t.equal((await call('POST', '/oauth/token', { token: null, body })).status, 401)
  t.equal((await call('POST', '/oauth/token', { token: null, body })).status, 401)
})

t.test('the calls of a person and of a client are counted apart', async (t) => {
  const { call, tenant } = await openSandbox(t, { tier1Limit: 1 })
  const [token] = tenant.issueTokens(tenant.addUser().id)
  t.equal((await call('GET', '/api/v1/items')).status, 200)
  t.equal((await call('GET', '/api/v1/items')).status, 429)
  t.equal((await call('GET', '/api/v1/items', { token: token?.accessToken })).status, 200)
})
