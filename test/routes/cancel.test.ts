import t from 'tap'
import { nextCall } from '../support/events.ts'
import { isProblem } from '../support/problems.ts'
import { OTHER_API_KEY, startService } from '../support/service.ts'

const CONCURRENCY = 2

t.test('cancelling a running revocation stops it before its next delete', async (t) => {
  const service = await startService(t, {
    environment: { QLIK_TIMEOUT_MS: '60000', REVOKE_CONCURRENCY: String(CONCURRENCY) },
  })
  const { tenant } = service.sandbox
  service.userWithTokens(10, { id: 'u1' })
  const hanging = tenant.order({ kind: 'hang', route: 'revoke', times: CONCURRENCY })
  const { id } = (await service.call('POST', '/logout-hook', { body: { userId: 'u1' } })).json
  await nextCall(service.sandbox, ({ route }) => route === 'revoke', 'arrived')
  const waiting = service.call('GET', `/revocations/${id}`, { headers: { prefer: 'wait=30' } })
  const { status, json } = await service.call('DELETE', `/revocations/${id}`)
  t.equal(status, 200)
  t.match(json, { id, status: 'cancelled', completedAt: /Z$/, senders: [{ kind: 'api-key' }] })
  t.match((await waiting).json, { status: 'cancelled' })

  // Starts when the cancelled run has released the user.
  const body = { userId: 'u1', deviceType: 'None' }
  const next = (await service.call('POST', '/logout-hook', { body })).json
  t.match(await service.ended(next.id), { status: 'completed', tokens: { revoked: 0 } })
  t.ok(hanging.applied >= 1 && hanging.applied <= CONCURRENCY)
  t.equal(tenant.tokensOf('u1').length, 10)
  t.match((await service.call('GET', `/revocations/${id}`)).json, { status: 'cancelled' })
})

t.test('what cannot be cancelled', async (t) => {
  const service = await startService(t)
  service.userWithTokens(1, { id: 'u1' })
  const ended = await service.revoke({ userId: 'u1' })
  isProblem(t, await service.call('DELETE', `/revocations/${ended.id}`), 'CURFEW_NOT_CANCELLABLE')
  isProblem(t, await service.call('DELETE', '/revocations/nope'), 'CURFEW_UNKNOWN_REVOCATION')
  const invalid = await service.call('DELETE', `/revocations/${ended.id}?force=maybe`)
  isProblem(t, invalid, 'CURFEW_REQUEST_INVALID', 'force')
})

t.test('signals of several senders are cancelled only with force', async (t) => {
  const service = await startService(t)
  service.userWithTokens(1, { id: 'u1' })
  service.sandbox.tenant.order({
    kind: 'status',
    status: 500,
    route: 'list',
    times: Number.POSITIVE_INFINITY,
  })
  const signal = (headers = {}) => service.call('POST', '/logout-hook', { body: { userId: 'u1' }, headers })
  await signal()
  await signal({ authorization: `Bearer ${OTHER_API_KEY}` })
  const [latest] = (await service.call('GET', '/revocations?limit=1')).json.items
  if (latest.senders.length < 2) await signal()
  const path = `/revocations/${latest.id}`
  isProblem(t, await service.call('DELETE', path), 'CURFEW_SEVERAL_SENDERS')
  t.match((await service.call('DELETE', `${path}?force=true`)).json, { status: 'cancelled' })
})
