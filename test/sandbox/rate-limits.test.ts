import t from 'tap'
import { grantFor, openSandbox, stoppedClock } from './open-sandbox.ts'

/** Without a limit of the tenant, only users' limits apply. */
const tenantLimitShare = null

t.test('the call over the limit gets the documented response', async (t) => {
  const clock = stoppedClock()
  const { call } = await openSandbox(t, { tier2Limit: 2, windowMs: 13_000, now: clock.now, tenantLimitShare })
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

t.test('a 429 closes the whole tier, and only that tier, until the time has passed', async (t) => {
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
  const { call, client, tenant } = await openSandbox(t, { tier2Limit: 2, tenantLimitShare })
  const other = tenant.addClient()
  const wrong = { ...grantFor(client), client_secret: 'guess' }
  t.equal((await call('POST', '/oauth/token', { token: null, body: wrong })).status, 401)
  t.equal((await call('POST', '/oauth/token', { token: null, body: grantFor(client) })).status, 200)
  t.equal((await call('POST', '/oauth/token', { token: null, body: wrong })).status, 429)
  t.equal((await call('POST', '/oauth/token', { token: null, body: grantFor(other) })).status, 200)
})

t.test('a request of an unknown client is not counted', async (t) => {
  const { call } = await openSandbox(t, { tier2Limit: 1 })
  const body = { grant_type: 'client_credentials', client_id: 'nobody', client_secret: 'x' }
  t.equal((await call('POST', '/oauth/token', { token: null, body })).status, 401)
  t.equal((await call('POST', '/oauth/token', { token: null, body })).status, 401)
})

t.test('the calls of a user and of a client are counted separately', async (t) => {
  const { call, tenant } = await openSandbox(t, { tier1Limit: 1, tenantLimitShare })
  const [token] = tenant.issueTokens(tenant.addUser().id)
  t.equal((await call('GET', '/api/v1/items')).status, 200)
  t.equal((await call('GET', '/api/v1/items')).status, 429)
  t.equal((await call('GET', '/api/v1/items', { token: token?.accessToken })).status, 200)
})

t.test(
  "the tenant's limit is reached before the user's in a small tenant, and then holds for everyone",
  async (t) => {
    const clock = stoppedClock()
    const { call, client, tenant } = await openSandbox(t, { tier2Limit: 4, windowMs: 13_000, now: clock.now })
    const other = tenant.addClient()
    const remove = (token?: string) => call('DELETE', '/api/v1/oauth-tokens/x', token ? { token } : {})
    const { accessToken } = tenant.issueAccessToken(other, 'admin_classic')
    for (let count = 0; count < 2; count += 1) {
      t.equal((await remove()).status, 404)
      t.equal((await remove(accessToken)).status, 404)
    }
    t.equal((await remove()).status, 429, 'four of half of two times four')
    const refused = await remove(accessToken)
    t.equal(refused.status, 429)
    t.equal(refused.headers.get('retry-after'), '13')
    t.equal((await call('GET', '/api/v1/oauth-tokens')).status, 200, 'the other tier is open')
    clock.time += 13_000
    tenant.addUser()
    tenant.addUser()
    for (let count = 0; count < 4; count += 1) t.equal((await remove()).status, 404)
    t.equal((await remove()).status, 429, "the client's own limit")
    t.equal((await remove(accessToken)).status, 404, 'the tenant has room for four times two by now')
    t.equal(tenant.spendCalls(client.id, 1, 9), 9)
  },
)

t.test('the share of the tenant can change at run time', async (t) => {
  const { call, tenant } = await openSandbox(t, { tier1Limit: 100 })
  tenant.settings.tenantLimitShare = 0.01
  t.equal((await call('GET', '/api/v1/items')).status, 200)
  t.equal((await call('GET', '/api/v1/items')).status, 429)
})

t.test("another program can spend the client's limit until it is rejected", async (t) => {
  const clock = stoppedClock()
  const limits = { tier2Limit: 5, windowMs: 13_000, tenantLimitShare }
  const { call, client, tenant } = await openSandbox(t, { ...limits, now: clock.now })
  t.equal(tenant.spendCalls(client.id, 2, 3), 3)
  t.equal((await call('DELETE', '/api/v1/oauth-tokens/x')).status, 404)
  t.equal(tenant.spendCalls(client.id, 2, 3), 1)
  clock.time += 12_999
  t.equal((await call('DELETE', '/api/v1/oauth-tokens/x')).status, 429, 'the refusal has blocked the tier')
  clock.time += 1
  t.equal((await call('DELETE', '/api/v1/oauth-tokens/x')).status, 404)
  t.throws(() => tenant.spendCalls('nobody', 2, 1), /Client nobody does not exist/)
})

t.test('deletes with 404 can count more than others', async (t) => {
  const { call, tenant } = await openSandbox(t, {
    tier1Limit: 2,
    tier2Limit: 5,
    notFoundCost: 3,
    tenantLimitShare,
  })
  const [token] = tenant.issueTokens(tenant.addUser().id)
  t.equal((await call('DELETE', `/api/v1/oauth-tokens/${token?.id}`)).status, 204)
  for (let count = 0; count < 2; count += 1) {
    t.equal((await call('GET', '/api/v1/users/nobody')).status, 404, 'no delete')
  }
  t.equal((await call('DELETE', '/api/v1/oauth-tokens/x')).status, 404)
  t.equal((await call('DELETE', '/api/v1/oauth-tokens/x')).status, 404, 'five and more by now')
  t.equal((await call('DELETE', '/api/v1/oauth-tokens/x')).status, 429)
})

t.test('Retry-After of a limit can be a date, or missing', async (t) => {
  const clock = stoppedClock(Date.parse('2026-11-21T12:00:00.500Z'))
  const limits = { tier1Limit: 1, windowMs: 13_000, retryAfter: 'date' as const }
  const { call, tenant } = await openSandbox(t, { ...limits, now: clock.now, clockSkewMs: 60_000 })
  await call('GET', '/api/v1/items')
  const retryAfter = async () => (await call('GET', '/api/v1/items')).headers.get('retry-after')
  t.equal(await retryAfter(), 'Sat, 21 Nov 2026 12:01:14 GMT', 'by the clock of the tenant')
  tenant.settings.retryAfter = 'missing'
  t.equal(await retryAfter(), null)
  tenant.settings.retryAfter = 'seconds'
  t.equal(await retryAfter(), '13')
  tenant.order({ kind: 'rate-limited', seconds: 99_999_999_999, route: 'users' })
  clock.time += 13_000
  const huge = await call('GET', '/api/v1/users')
  t.equal(huge.headers.get('retry-after'), '99999999999')
})
