import t from 'tap'
import { CallLog, type SandboxCall } from '../../src/sandbox/call-log.ts'
import { openSandbox, stoppedClock } from './open-sandbox.ts'

t.test('every call is logged with its user and status', async (t) => {
  const clock = stoppedClock()
  const { call, client, tenant } = await openSandbox(t, { now: clock.now, clockSkewMs: 5_000 })
  await call('GET', '/api/v1/oauth-tokens?limit=5')
  await call('DELETE', '/api/v1/oauth-tokens/x', { token: null })
  await call('GET', '/elsewhere')
  const known = { at: clock.time, apiVersion: null, fault: null }
  t.strictSame(tenant.calls, [
    {
      ...known,
      method: 'GET',
      route: 'list',
      path: '/api/v1/oauth-tokens?limit=5',
      status: 200,
      tier: 1,
      userId: client.userId,
    },
    {
      ...known,
      method: 'DELETE',
      route: 'revoke',
      path: '/api/v1/oauth-tokens/x',
      status: 401,
      tier: 2,
      userId: null,
    },
    { ...known, method: 'GET', route: 'unknown', path: '/elsewhere', status: 404, tier: null, userId: null },
  ])
})

t.test('listeners are called when a call arrives and when it ends, until they unsubscribe', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const heard: unknown[] = []
  const stop = tenant.onCall((phase, { route, status }) => heard.push([phase, route, status]))
  await call('GET', '/api/v1/items')
  stop()
  await call('GET', '/api/v1/items')
  t.strictSame(heard, [
    ['arrived', 'items', null],
    ['answered', 'items', 200],
  ])
})

t.test('a response is sent when every hold has settled', async (t) => {
  const { call, tenant } = await openSandbox(t)
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const stop = tenant.log.beforeAnswer(() => held)
  let isThere = false
  const answer = call('GET', '/api/v1/items').then((given) => {
    isThere = true
    return given
  })
  await call('GET', '/nowhere')
  t.notOk(isThere)
  release()
  t.equal((await answer).status, 200)
  stop()
  t.equal((await call('GET', '/api/v1/items')).status, 200)
})

t.test('an action runs at the n-th call of a route, before or after it is processed', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const user = tenant.addUser()
  const issue = () => tenant.issueTokens(user.id)
  tenant.log.atCall('list', 2, issue)
  tenant.log.atCall('list', 4, issue, 'before-answer')
  const counts = []
  for (let count = 0; count < 5; count += 1) {
    await call('GET', '/api/v1/items')
    counts.push((await call('GET', `/api/v1/oauth-tokens?userId=${user.id}`)).body.data.length)
  }
  t.strictSame(counts, [0, 1, 1, 1, 2])
})

t.test('the log keeps only the latest calls', async (t) => {
  const log = new CallLog()
  const call = { route: 'list' } as SandboxCall
  for (let at = 0; at < 100_000; at += 1) log.answered({ ...call, at })
  t.equal(log.calls.length, 50_000)
  t.equal(log.calls.at(-1)?.at, 99_999)
})
