import t from 'tap'
import { entriesOf, withKey } from '../support/api-keys.ts'
import { fakeClock } from '../support/clock.ts'
import { configurationFile, sandboxTenant } from '../support/config-file.ts'
import { isProblem } from '../support/problems.ts'
import { type Service, startService } from '../support/service.ts'

const users = (...userIds: string[]) => userIds.map((userId) => ({ userId }))
const post = (service: Service, body: object, headers = {}) =>
  service.call('POST', '/revocations', { body, headers })
const get = async (service: Service, path: string) => (await service.call('GET', path)).json

t.test('requests that name a batch share it; it counts what became of their users', async (t) => {
  const service = await startService(t)
  for (const id of ['ann', 'ben', 'cat']) service.userWithTokens(1, { id })
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'revoke', times: 1 })
  const first = await post(service, { users: users('ann'), batch: 'incident-7' })
  t.match(first, { status: 202, json: { batch: 'incident-7', items: [{ index: 0 }] } })
  const failed = await service.settled(first.json.items[0].revocation.id)
  t.match(failed, { status: 'failed' })
  const second = await post(service, { users: [...users('ben', 'cat', 'nobody'), {}], batch: 'incident-7' })
  for (const { revocation } of second.json.items.slice(0, 3)) await service.settled(revocation.id)
  const batch = await get(service, '/batches/incident-7')
  t.match(batch, {
    ...{ id: 'incident-7', tenant: 'default', createdAt: /Z$/, total: 4 },
    status: { queued: 0, running: 0, held: 0, completed: 3, failed: 1, cancelled: 0 },
    outcomes: { revoked: 2, 'no-such-user': 1 },
    ...{ verified: 2, confirming: 0, tokens: { revoked: 2 }, done: true, estimatedCompletionAt: null },
    failures: [{ code: 'CURFEW_QLIK_FORBIDDEN', title: /./, action: /./, count: 1, ids: [failed.id] }],
  })
  t.match(await get(service, '/revocations?batch=incident-7&status=failed&count=true'), {
    items: [{ id: failed.id }],
    count: { value: 1, isExact: true },
  })
})

t.test('a batch that is not done has the estimate of its last user', async (t) => {
  const clock = fakeClock()
  const environment = { QLIK_TIER2_LIMIT: '10' }
  const service = await startService(t, { clock, sandbox: { now: clock.now }, environment })
  for (const [id, tokens] of Object.entries({ ann: 5, ben: 10, cat: 30 }))
    service.userWithTokens(tokens, { id })
  const first = await post(service, { users: users('ann'), batch: 'b' })
  await service.ended(first.json.items[0].revocation.id)
  await post(service, { users: users('ben', 'cat'), batch: 'b' })
  // Until the permits are used up, one of them for the access token.
  while ((await get(service, '/status')).tenants[0].remainingTokens !== 36);
  const batch = await get(service, '/batches/b')
  t.match(batch, { total: 3, status: { completed: 1 }, done: false })
  const { items } = await get(service, '/revocations?batch=b')
  const times = items.map((one: { estimatedCompletionAt: string | null }) => one.estimatedCompletionAt)
  t.equal(batch.estimatedCompletionAt, times.filter((at: string | null) => at !== null).sort()[1])
  t.equal(new Set(times).size, 3)
})

t.test('without a name, each request has its own batch, and a repeated one the same', async (t) => {
  const service = await startService(t)
  const headers = { 'idempotency-key': '"k"' }
  const body = { users: users('ann') }
  const [one, other, first, again] = [
    await post(service, body),
    await post(service, body),
    await post(service, body, headers),
    await post(service, body, headers),
  ].map(({ json }) => json.batch)
  t.match(one, /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
  t.match(first, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8/)
  t.equal(new Set([one, other, first]).size, 3)
  t.equal(again, first)
  for (const id of [one, other, first])
    t.equal((await get(service, `/revocations?batch=${id}`)).items.length, 1)
})

t.test('a dry run creates no batch, nor does a request without a valid user', async (t) => {
  const service = await startService(t)
  const body = { users: users('ann'), batch: 'b' }
  const dry = await service.call('POST', '/revocations?dryRun=true', { body })
  t.match(dry, { status: 200 })
  t.notOk('batch' in dry.json)
  t.equal((await post(service, { users: [{}], batch: 'b' })).status, 202)
  isProblem(t, await service.call('GET', '/batches/b'), 'CURFEW_UNKNOWN_BATCH')
})

t.test('invalid ids are rejected, and unknown ones are unknown', async (t) => {
  const service = await startService(t)
  for (const batch of ['', '.b', 'a b', 'a/b', 'ä', 'a@b', 'x'.repeat(65), 7, null]) {
    const answer = await post(service, { users: users('ann'), batch })
    isProblem(t, answer, 'CURFEW_REQUEST_INVALID', '/batch')
  }
  isProblem(t, await service.call('GET', '/revocations?batch=a%20b'), 'CURFEW_REQUEST_INVALID', 'batch')
  for (const id of ['b', 'a%20b', '%00', 'x'.repeat(1_000)])
    isProblem(t, await service.call('GET', `/batches/${id}`), 'CURFEW_UNKNOWN_BATCH')
  t.match(await get(service, '/revocations?batch=b'), { items: [], nextCursor: null })
})

t.test('a restricted key sees the batches of its tenants only', async (t) => {
  const tenants = [await sandboxTenant(t, 'emea'), await sandboxTenant(t, 'apac')].map(({ entry }) => entry)
  const keys = { own: ['default'], other: ['emea'], several: ['emea', 'apac'] }
  const apiKeys = entriesOf(
    Object.fromEntries(Object.entries(keys).map(([name, all]) => [name, { tenants: all }])),
  )
  const file = configurationFile(t, { apiKeys, tenants })
  const service = await startService(t, { environment: { CONFIG_FILE: file.path } })
  await post(service, { users: users('ann'), batch: 'b' })
  t.match(await service.call('GET', '/batches/b', withKey('own')), { status: 200, json: { total: 1 } })
  const foreign = await service.call('GET', '/batches/b?tenant=default', withKey('other'))
  isProblem(t, foreign, 'CURFEW_UNKNOWN_BATCH')
  isProblem(
    t,
    await service.call('GET', '/batches/b', withKey('several')),
    'CURFEW_REQUEST_INVALID',
    '/tenant',
  )
  isProblem(t, await service.call('GET', '/batches/b?tenant=emea'), 'CURFEW_UNKNOWN_BATCH')
  await post(service, { users: users('eve'), batch: 'b', tenant: 'emea' })
  for (const [path, user] of Object.entries({ '': 'ann', '&tenant=default': 'ann', '&tenant=emea': 'eve' }))
    t.match(await get(service, `/revocations?batch=b${path}`), { items: [{ user: { userId: user } }] })
  const listed = await service.call('GET', '/revocations?batch=b&tenant=default', withKey('other'))
  t.match(listed, { status: 200, json: { items: { length: 0 } } })
})
