import t from 'tap'
import { openSandbox } from './open-sandbox.ts'

const LIST = '/api/v1/oauth-tokens'

t.test('a fault lets `after` matching calls through and strikes `times` of them', async (t) => {
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

t.test('a fault can be for one method', async (t) => {
  const { call, tenant } = await openSandbox(t)
  tenant.order({ kind: 'status', status: 503, method: 'delete' })
  t.equal((await call('GET', LIST)).status, 200)
  t.equal((await call('DELETE', `${LIST}/unknown`)).status, 503)
})

t.test('faults strike in the order in which they were ordered, one a call', async (t) => {
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

t.test('a fault that is not known is refused at once', async (t) => {
  const { tenant } = await openSandbox(t)
  t.throws(() => tenant.order({ kind: 'reset', time: 3 } as never), /time/)
})

t.test('calls that are refused anyway do not use a fault up', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const fault = tenant.order({ kind: 'status', status: 500 })
  t.equal((await call('GET', LIST, { token: 'guess' })).status, 401)
  t.equal(fault.applied, 0)
})
