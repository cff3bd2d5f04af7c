import t from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { rejection } from '../support/events.ts'
import { secret, tenantAt } from './open-client.ts'

t.test('a call that never reached the tenant costs nothing of the budget', async (t) => {
  const tenant = tenantAt('http://127.0.0.1:1', 'c', [secret('s')])
  t.teardown(() => tenant.stop())
  const call = { signal: new AbortController().signal, urgency: 0 }
  for (let attempt = 0; attempt < 20; attempt += 1) {
    t.match(await rejection(tenant.revokeToken('x', call)), { kind: 'unavailable', isUnsent: true })
  }
  t.same([tenant.budget.remaining(1), tenant.budget.remaining(2)], [10, 10])
})

t.test('whoever gives up waiting for what is shared is let go, and the others get it', async (t) => {
  const sandbox = await startSandbox()
  const client = sandbox.tenant.addClient()
  const tenant = tenantAt(sandbox.url, client.id, [secret(client.secret)])
  t.teardown(async () => {
    await tenant.stop()
    await sandbox.close()
  })
  sandbox.tenant.settings.latencyMs = 200
  const giveUp = new AbortController()
  const impatient = tenant.power({ signal: giveUp.signal, urgency: 0 })
  const patient = tenant.power({ signal: new AbortController().signal, urgency: 0 })
  giveUp.abort(new Error('enough'))
  t.match(await rejection(impatient), { message: 'enough' })
  t.match(await patient, { power: 'proven', ownUserId: client.userId })
  t.match(await rejection(tenant.power({ signal: giveUp.signal, urgency: 0 })), { message: 'enough' })
})
