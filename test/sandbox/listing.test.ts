import t from 'tap'
import { inOrder, isListed } from '../../src/sandbox/listing.ts'
import { openSandbox, stoppedClock } from './open-sandbox.ts'

const LIST = '/api/v1/oauth-tokens'

t.test('a token is listed from the lag after its issue until the lag after its revocation', async (t) => {
  const lag = { lagAfterIssueMs: 3_000, lagAfterRevokeMs: 5_000 }
  const none = { lagAfterIssueMs: 0, lagAfterRevokeMs: 0 }
  const rows: [string, Parameters<typeof isListed>, boolean][] = [
    ['just issued', [{ storedAt: 100, revokedAt: null }, 100, none], true],
    ['just issued, with a lag', [{ storedAt: 100, revokedAt: null }, 100, lag], false],
    ['a ms too early', [{ storedAt: 100, revokedAt: null }, 3_099, lag], false],
    ['at its time', [{ storedAt: 100, revokedAt: null }, 3_100, lag], true],
    ['just revoked', [{ storedAt: 100, revokedAt: 9_000 }, 9_000, none], false],
    ['just revoked, with a lag', [{ storedAt: 100, revokedAt: 9_000 }, 9_000, lag], true],
    ['a ms before it leaves', [{ storedAt: 100, revokedAt: 9_000 }, 13_999, lag], true],
    ['as it leaves', [{ storedAt: 100, revokedAt: 9_000 }, 14_000, lag], false],
    ['revoked before it appears', [{ storedAt: 100, revokedAt: 200 }, 3_100, lag], true],
    ['issued, by a clock that went back', [{ storedAt: 9_000, revokedAt: null }, 100, none], true],
    ['revoked, by a clock that went back', [{ storedAt: 0, revokedAt: 9_000 }, 100, none], false],
  ]
  for (const [what, args, expected] of rows) t.equal(isListed(...args), expected, what)
})

t.test('a listing is sorted by user, and can have the newest token of each user first', async (t) => {
  const rows = [
    { userId: 'a', serial: 1 },
    { userId: 'a', serial: 3 },
    { userId: 'b', serial: 2 },
  ]
  const serials = (order: Parameters<typeof inOrder>[1]) => inOrder(rows, order).map(({ serial }) => serial)
  t.strictSame(serials('oldest-first'), [1, 3, 2])
  t.strictSame(serials('newest-first'), [3, 1, 2])
})

t.test('a listing lags behind issues and revocations, by the `now` option', async (t) => {
  const clock = stoppedClock()
  const sandbox = await openSandbox(t, { now: clock.now, lagAfterIssueMs: 3_000, lagAfterRevokeMs: 5_000 })
  const { call, tenant } = sandbox
  const user = tenant.addUser()
  const [token] = tenant.issueTokens(user.id)
  const isListed = async () => (await call('GET', `${LIST}?userId=${user.id}`)).body.data.length === 1
  const works = async () => (await call('GET', '/api/v1/items', { token: token?.accessToken })).status === 200

  t.notOk(await isListed(), 'issued')
  t.ok(await works(), 'works before it is listed')
  clock.time += 3_000
  t.ok(await isListed(), 'appears')
  t.equal((await call('DELETE', `${LIST}/${token?.id}`)).status, 204)
  t.strictSame(tenant.tokensOf(user.id), [])
  t.notOk(await works(), 'dead with its 204')
  clock.time += 4_999
  t.ok(await isListed(), 'still listed')
  t.equal((await call('DELETE', `${LIST}/${token?.id}`)).status, 404, 'already revoked')
  clock.time += 1
  t.notOk(await isListed(), 'leaves')
  t.strictSame(tenant.tokens.ofUser(user.id), [], 'nothing is kept of it')
})

t.test('the lag can change at run time, and a step of the tenant clock does not count as time', async (t) => {
  const clock = stoppedClock()
  const { call, tenant } = await openSandbox(t, { now: clock.now, clockSkewMs: -600_000 })
  const user = tenant.addUser()
  const count = async () => (await call('GET', `${LIST}?userId=${user.id}`)).body.data.length
  tenant.issueTokens(user.id, 2)
  t.equal(await count(), 2)
  tenant.settings.lagAfterIssueMs = 3_000
  t.equal(await count(), 0)
  tenant.settings.clockSkewMs = 600_000
  t.equal(await count(), 0)
  clock.time += 3_000
  t.equal(await count(), 2)
})

t.test('a token issued a while ago appears that much sooner', async (t) => {
  const clock = stoppedClock()
  const { call, tenant } = await openSandbox(t, { now: clock.now, lagAfterIssueMs: 4_000 })
  const user = tenant.addUser()
  tenant.issueTokens(user.id, 1, { issuedAt: tenant.now() - 1_000 })
  const count = async () => (await call('GET', `${LIST}?userId=${user.id}`)).body.data.length
  clock.time += 2_999
  t.equal(await count(), 0)
  clock.time += 1
  t.equal(await count(), 1)
})

t.test('a revoked access token stays listed as well', async (t) => {
  const clock = stoppedClock()
  const { call, client, tenant } = await openSandbox(t, { now: clock.now, lagAfterRevokeMs: 5_000 })
  const [own] = tenant.tokensOf(client.userId)
  const { accessToken: token } = tenant.issueAccessToken(client, 'admin_classic')
  t.equal((await call('DELETE', `${LIST}/${own?.id}`, { token })).status, 204)
  t.equal((await call('GET', LIST)).status, 401, 'the revoked one is shut out')
  const { body } = await call('GET', `${LIST}?userId=${client.userId}`, { token })
  t.equal(body.data.length, 2)
  tenant.issueAccessToken(client, 'admin_classic')
  t.equal((await call('GET', `${LIST}?userId=${client.userId}`, { token })).body.data.length, 3)
})
