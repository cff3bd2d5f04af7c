import t from 'tap'
import type { SandboxToken } from '../../src/sandbox/token-shelf.ts'
import { openSandbox, stoppedClock } from './open-sandbox.ts'

const LIST = '/api/v1/oauth-tokens'

t.test('an id contains the time of the grant, which a login or a refresh may reuse', async (t) => {
  const clock = stoppedClock(Date.parse('2026-11-21T12:00:00.900Z'))
  const { tenant } = await openSandbox(t, { now: clock.now })
  const user = tenant.addUser()
  const secondsIn = (tokens: SandboxToken[]) => tokens.map(({ id }) => Number.parseInt(id.slice(0, 8), 16))
  const noon = Date.parse('2026-11-21T12:00:00Z') / 1000
  t.strictSame(secondsIn(tenant.issueTokens(user.id)), [noon], 'at its issue, in whole seconds')
  tenant.settings.grantAgeMs = 27_000
  t.strictSame(secondsIn(tenant.issueTokens(user.id)), [noon - 27])
  const grantedAt = tenant.now() - 3_600_000
  const [token] = tenant.issueTokens(user.id, 1, { grantedAt })
  t.strictSame(token && secondsIn([token]), [noon - 3600])
  t.match(token, { issuedAt: clock.time, lastUsed: clock.time, grantedAt })
})

t.test('a refresh issues a new token for each one, with a new grant or the old one', async (t) => {
  const clock = stoppedClock(Date.parse('2026-11-21T12:00:00Z'))
  const { call, tenant } = await openSandbox(t, { now: clock.now })
  const user = tenant.addUser()
  const [token] = tenant.issueTokens(user.id, 1, { deviceType: 'Phone' })
  clock.time += 60_000
  const [refreshed] = tenant.refreshTokens(user.id)
  t.match(refreshed, { deviceType: 'Phone', issuedAt: clock.time, grantedAt: clock.time })
  t.equal(tenant.tokensOf(user.id).length, 2, 'the old one works on')
  clock.time += 60_000
  const again = tenant.refreshTokens(user.id, { reuseGrant: true })
  t.strictSame(
    again.map(({ issuedAt, grantedAt }) => [issuedAt, grantedAt]),
    [token, refreshed].map((old) => [clock.time, old?.grantedAt]),
  )
  for (const { id } of tenant.tokensOf(user.id)) await call('DELETE', `${LIST}/${id}`)
  t.strictSame(tenant.refreshTokens(user.id), [], 'revoked, there is nothing to refresh')
})
