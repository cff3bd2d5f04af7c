import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { openSandbox, stoppedClock } from './open-sandbox.ts'

const LIST = '/api/v1/oauth-tokens'

t.test("the tenant's clock can change while it runs: responses and ids follow", async (t) => {
  const clock = stoppedClock(Date.parse('2026-11-21T12:00:00Z'))
  const { call, tenant } = await openSandbox(t, { now: clock.now })
  const date = async (path = LIST) => (await call('GET', path)).headers.get('date')
  t.equal(await date(), 'Sat, 21 Nov 2026 12:00:00 GMT')
  tenant.settings.clockSkewMs = -600_000
  t.equal(await date(), 'Sat, 21 Nov 2026 11:50:00 GMT')
  t.equal(await date('/nowhere'), 'Sat, 21 Nov 2026 11:50:00 GMT')
  const [token] = tenant.issueTokens(tenant.addUser().id)
  t.equal(Number.parseInt(token?.id.slice(0, 8) ?? '', 16) * 1000, Date.parse('2026-11-21T11:50:00Z'))
})

t.test('a Date can be missing or unreadable', async (t) => {
  const { call, tenant } = await openSandbox(t, { dateHeader: 'missing' })
  t.equal((await call('GET', LIST)).headers.get('date'), null)
  t.equal((await call('GET', '/nowhere')).headers.get('date'), null)
  tenant.settings.dateHeader = 'unreadable'
  t.ok(Number.isNaN(Date.parse((await call('GET', LIST)).headers.get('date') ?? '')))
  tenant.settings.dateHeader = 'sent'
  t.notOk(Number.isNaN(Date.parse((await call('GET', LIST)).headers.get('date') ?? '')))
})

t.test('a late response has the Date and the content of the call', async (t) => {
  const clock = fakeClock(Date.parse('2026-11-21T12:00:00Z'))
  const { call, tenant } = await openSandbox(t, { now: clock.now, after: clock.after })
  const user = tenant.addUser()
  tenant.issueTokens(user.id)
  tenant.order({ kind: 'late' })
  const processed = new Promise<void>((resolve) => tenant.log.atCall('list', 1, resolve, 'before-answer'))
  const answer = call('GET', `${LIST}?userId=${user.id}`)
  await processed
  tenant.issueTokens(user.id)
  while (clock.untilNextTimer() === null) await new Promise(setImmediate)
  t.equal(clock.untilNextTimer(), 8_000)
  clock.advance(8_000)
  const { headers, body } = await answer
  t.equal(headers.get('date'), 'Sat, 21 Nov 2026 12:00:00 GMT')
  t.equal(body.data.length, 1)
  t.equal(clock.now(), Date.parse('2026-11-21T12:00:08Z'))
})

t.test('a late response to a delete keeps its 204', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const [token] = tenant.issueTokens(tenant.addUser().id)
  tenant.order({ kind: 'late', delayMs: 1 })
  t.equal((await call('DELETE', `${LIST}/${token?.id}`)).status, 204)
  t.match(tenant.calls, [{ route: 'revoke', status: 204, fault: 'late' }])
})

t.test('a late response does not keep the sandbox from closing', async (t) => {
  const { call, close, tenant } = await openSandbox(t)
  tenant.order({ kind: 'late', delayMs: 600_000 })
  const processed = new Promise<void>((resolve) => tenant.log.atCall('items', 1, resolve, 'before-answer'))
  const waiting = t.rejects(call('GET', '/api/v1/items'))
  await processed
  await close()
  await waiting
})
