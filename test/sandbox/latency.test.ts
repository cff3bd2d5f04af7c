import t from 'tap'
import { openSandbox } from './open-sandbox.ts'

t.test('a call waits for the latency, which can change', async (t) => {
  const { call, tenant } = await openSandbox(t, { latencyMs: 40 })
  const start = performance.now()
  t.equal((await call('GET', '/api/v1/items')).status, 200)
  t.ok(performance.now() - start >= 39)
  tenant.settings.latencyMs = 0
  t.equal((await call('GET', '/api/v1/items')).status, 200)
})

t.test('a waiting call does not keep the sandbox from closing', async (t) => {
  const { call, close, tenant } = await openSandbox(t, { latencyMs: 60_000 })
  const arrived = new Promise((resolve) => tenant.onCall(resolve))
  const waiting = t.rejects(call('GET', '/api/v1/items'))
  await arrived
  await close()
  await waiting
})
