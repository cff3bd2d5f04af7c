import t from 'tap'
import { openSandbox } from './open-sandbox.ts'

const LIST = '/api/v1/oauth-tokens'

t.test('a fault skips `after` matching calls and applies to the next `times`', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const fault = tenant.order({
    kind: 'status',
    status: 503,
    route: 'list',
    method: 'get',
    after: 1,
    times: 2,
  })
  t.equal((await call('GET', '/api/v1/items')).status, 200)
  const statuses = []
  for (let count = 0; count < 4; count += 1) statuses.push((await call('GET', LIST)).status)
  t.strictSame(statuses, [200, 503, 503, 200])
  t.equal(fault.applied, 2)
  t.equal(fault.pending, false)
})

t.test('a fault can be restricted to a method', async (t) => {
  const { call, tenant } = await openSandbox(t)
  tenant.order({ kind: 'status', status: 503, method: 'delete' })
  t.equal((await call('GET', LIST)).status, 200)
  t.equal((await call('DELETE', `${LIST}/unknown`)).status, 503)
})

t.test('faults apply in the order of their creation, one per call', async (t) => {
  const { call, tenant } = await openSandbox(t)
  tenant.order({ kind: 'status', status: 500 })
  tenant.order({ kind: 'status', status: 502 })
  t.equal((await call('GET', LIST)).status, 500)
  t.equal((await call('GET', LIST)).status, 502)
  t.equal((await call('GET', LIST)).status, 200)
})

t.test('a fault can be cancelled', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const fault = tenant.order({ kind: 'status', status: 500, times: Number.POSITIVE_INFINITY })
  t.equal((await call('GET', LIST)).status, 500)
  fault.cancel()
  t.equal((await call('GET', LIST)).status, 200)
  t.equal(fault.applied, 1)
})

t.test('an unknown fault is rejected immediately', async (t) => {
  const { tenant } = await openSandbox(t)
  t.throws(() => tenant.order({ kind: 'reset', time: 3 } as never), /time/)
})

t.test('rejected calls do not use up a fault', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const fault = tenant.order({ kind: 'status', status: 500 })
  t.equal((await call('GET', LIST, { token: 'guess' })).status, 401)
  t.equal(fault.applied, 0)
})

t.test('a fault can apply to the delete of one token, several times or always', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const tokens = tenant.issueTokens(tenant.addUser().id, 4)
  const [forbidden, bad, broken, other] = tokens.map(({ id }) => id)
  const fault = { kind: 'status', route: 'revoke' } as const
  tenant.order({ ...fault, id: forbidden, status: 403, times: Number.POSITIVE_INFINITY })
  tenant.order({ ...fault, id: bad, status: 400, times: 2 })
  tenant.order({ ...fault, id: broken, status: 500 })
  const statusesOf = async (id?: string) => {
    const statuses = []
    for (let count = 0; count < 3; count += 1) {
      statuses.push((await call('DELETE', `${LIST}/${id}`)).status)
    }
    return statuses
  }
  t.strictSame(await statusesOf(other), [204, 404, 404])
  t.strictSame(await statusesOf(forbidden), [403, 403, 403])
  t.strictSame(await statusesOf(bad), [400, 400, 204])
  t.strictSame(await statusesOf(broken), [500, 204, 404])
  t.strictSame(
    tokens.map(({ revoked }) => revoked),
    [false, true, true, true],
  )
})

t.test('a delete can return 204 without effect', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const [token] = tenant.issueTokens(tenant.addUser().id)
  tenant.order({ kind: 'status', status: 204, route: 'revoke', id: token?.id })
  const { status, headers } = await call('DELETE', `${LIST}/${token?.id}`)
  t.strictSame([status, headers.get('content-type'), token?.revoked], [204, null, false])
  t.equal((await call('DELETE', `${LIST}/${token?.id}`)).status, 204)
  t.equal(token?.revoked, true)
})

t.test('a fault can apply to the calls for one user, by exact id', async (t) => {
  const { call, tenant } = await openSandbox(t)
  tenant.addUser({ id: 'Ann' })
  const fault = { kind: 'status', status: 503, id: 'Ann', times: 9 } as const
  tenant.order({ ...fault, route: 'list' })
  tenant.order({ ...fault, route: 'user' })
  t.equal((await call('GET', `${LIST}?userId=Ann`)).status, 503)
  t.equal((await call('GET', `${LIST}?userId=ann`)).status, 200)
  t.equal((await call('GET', LIST)).status, 200)
  t.equal((await call('GET', '/api/v1/users/Ann')).status, 503)
  t.equal((await call('GET', '/api/v1/users/ann')).status, 404)
})
