import t from 'tap'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { rejection } from '../support/events.ts'
import { onlyClient, secret, tenantAt } from './open-client.ts'

t.test('a call that never reached the tenant does not count against the budget', async (t) => {
  const tenant = tenantAt('http://127.0.0.1:1', 'c', [secret('s')])
  t.teardown(() => tenant.stop())
  const call = { signal: new AbortController().signal, urgency: 0 }
  for (let attempt = 0; attempt < 20; attempt += 1) {
    t.match(await rejection(tenant.revokeToken('x', call)), { kind: 'unavailable', isUnsent: true })
  }
  t.same([onlyClient(tenant).budget.remaining(1), onlyClient(tenant).budget.remaining(2)], [10, 10])
})

t.test('a caller can stop waiting for shared work, and the others get its result', async (t) => {
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

t.test('a call aborted while its permit is stored is not made, and does not count', async (t) => {
  const sandbox = await startSandbox()
  const client = sandbox.tenant.addClient()
  const noting = Promise.withResolvers<void>()
  let noted = 0
  const note = () => {
    noted += 1
    // The permit of the access token, then that of the delete.
    return noted === 1 ? Promise.resolve() : noting.promise
  }
  const tenant = tenantAt(sandbox.url, client.id, [secret(client.secret)], { note })
  t.teardown(async () => {
    await tenant.stop()
    await sandbox.close()
  })
  const giveUp = new AbortController()
  const only = rejection(tenant.revokeToken('x', { signal: giveUp.signal, urgency: 0 }))
  while (noted < 2) await new Promise((resolve) => setImmediate(resolve))
  t.equal(onlyClient(tenant).budget.remaining(2), 8)
  giveUp.abort(new Error('enough'))
  noting.resolve()
  t.match(await only, { message: 'enough' })
  await new Promise((resolve) => setImmediate(resolve))
  t.same(
    sandbox.tenant.calls.map(({ route }) => route),
    ['token'],
  )
  t.equal(onlyClient(tenant).budget.remaining(2), 9)
})

t.test(
  'after a block, calls go one at a time until one has passed; a server error is inconclusive',
  async (t) => {
    const sandbox = await startSandbox()
    const client = sandbox.tenant.addClient()
    const tenant = tenantAt(sandbox.url, client.id, [secret(client.secret)])
    t.teardown(async () => {
      await tenant.stop()
      await sandbox.close()
    })
    const call = { signal: new AbortController().signal, urgency: 0 }
    await tenant.revokeToken('x', call)
    await onlyClient(tenant).budget.block(2, { ms: 50, askedMs: null })
    sandbox.tenant.order({ kind: 'status', status: 503, route: 'revoke' })
    sandbox.tenant.order({ kind: 'reset', route: 'revoke' })
    sandbox.tenant.settings.latencyMs = 20
    const phases: string[] = []
    sandbox.tenant.onCall((phase) => phases.push(phase))
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, (_, index) => tenant.revokeToken(`x${index}`, call)),
    )
    t.same(
      results.map(({ status }) => status),
      ['rejected', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled'],
    )
    const oneByOne = ['arrived', 'answered', 'arrived', 'answered', 'arrived', 'answered']
    t.same(phases, [...oneByOne, 'arrived', 'arrived', 'answered', 'answered'])
  },
)
