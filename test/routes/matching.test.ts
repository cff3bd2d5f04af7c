import t, { type Test } from 'tap'
import { entriesOf, withKey } from '../support/api-keys.ts'
import { configurationFile, sandboxTenant } from '../support/config-file.ts'
import { nextCall, until } from '../support/events.ts'
import { isProblem } from '../support/problems.ts'
import { API_KEY, OTHER_API_KEY, type Service, startService } from '../support/service.ts'

const UNKNOWN = '018f0000-0000-7000-8000-000000000000'

const post = ({ call }: Service, path: string, matching: object, options = {}) =>
  call('POST', `/revocations/${path}`, { body: { matching }, ...options })

/** A service with three failed revocations; two of them could succeed now. */
async function startWithFailed(t: Test) {
  const service = await startService(t)
  const failed: string[] = []
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'list', times: 3 })
  for (const id of ['u1', 'u2', 'u3']) {
    service.userWithTokens(1, { id })
    const path = id === 'u3' ? '/users/u3/revoke-all' : '/logout-hook'
    const body = id === 'u3' ? {} : { userId: id }
    const { json } = await service.call('POST', path, { body })
    t.match(await service.ended(json.id), { status: 'failed' })
    failed.unshift(json.id)
  }
  return { service, failed }
}

t.test('all that match are retried, after a dry run that changes nothing', async (t) => {
  const { service, failed } = await startWithFailed(t)
  const [, ...others] = failed
  const matching = { source: 'logout-hook', code: 'CURFEW_QLIK_FORBIDDEN' }
  const counts = { matched: 2, retried: 2, byStatus: { failed: 2 }, refused: {} }
  const result = { ...counts, ids: others, nextCursor: null }
  const { at, ...tried } = (await post(service, 'retry?dryRun=true', matching)).json
  t.same(tried, { ...result, dryRun: true })
  t.ok(Date.parse(at) <= service.clock.now())
  t.same(
    (await service.stored()).map(({ status }) => status),
    ['failed', 'failed', 'failed'],
  )
  const retried = await post(service, 'retry', matching)
  t.equal(retried.status, 200)
  t.same(retried.json, { ...result, dryRun: false, at: retried.json.at })
  for (const id of others) t.match(await service.ended(id), { status: 'completed', attempts: 2 })
  t.match((await post(service, 'retry', matching)).json, { matched: 0, retried: 0 }, 'again')
  t.match((await service.stored())[0], { id: failed[0], status: 'failed' })
  const { items } = (await service.call('GET', '/audit?event=retried')).json
  t.match(
    items.map(({ entry }: { entry: object }) => entry),
    [{ by: { name: 'API_KEYS[0]' } }, { by: { name: 'API_KEYS[0]' } }],
  )
  t.equal(items.length, 2)
})

t.test('only the named ones are changed, if they match', async (t) => {
  const { service, failed } = await startWithFailed(t)
  const [last, , first] = failed
  t.match((await post(service, 'cancel?dryRun=1', { ids: failed })).json, { matched: 0 })
  t.match((await post(service, 'retry?dryRun=1', { ids: failed, source: 'revoke-all' })).json, {
    ids: [last],
  })
  t.match((await post(service, 'retry', { ids: [first, last, UNKNOWN] })).json, {
    ...{ matched: 2, retried: 2, ids: [last, first] },
  })
  isProblem(t, await post(service, 'retry', { ids: [] }), 'CURFEW_REQUEST_INVALID', '/matching/ids')
  isProblem(t, await post(service, 'retry', { ids: ['x'] }), 'CURFEW_REQUEST_INVALID', '/matching/ids/0')
  t.equal((await service.call('GET', `/revocations/${failed[1]}`)).json.status, 'failed')
})

t.test('a cursor continues after what was looked at', async (t) => {
  const { service, failed } = await startWithFailed(t)
  const { json } = await post(service, `retry?dryRun=1&cursor=${failed[0]}`, { status: 'failed' })
  t.match(json, { matched: 2, ids: failed.slice(1) })
  isProblem(
    t,
    await post(service, 'retry?cursor=x', { status: 'failed' }),
    'CURFEW_REQUEST_INVALID',
    'cursor',
  )
})

t.test('invalid filters are rejected, and nothing is changed', async (t) => {
  const service = await startService(t)
  for (const path of ['retry', 'cancel', 'release']) {
    const invalid = async (body: object, member: string) =>
      isProblem(
        t,
        await service.call('POST', `/revocations/${path}`, { body }),
        'CURFEW_REQUEST_INVALID',
        member,
      )
    await invalid({ matching: {} }, '/matching')
    await invalid({ matching: { userId: 'u', email: 'u@example.com' } }, '/matching')
    await invalid({ matching: { status: 'done' } }, '/matching/status')
    await invalid({ matching: { since: 'yesterday' } }, '/matching/since')
    await invalid({ matching: { status: 'failed', limit: 1 } }, '/matching/limit')
    await invalid({}, path === 'retry' ? '/matching' : '/')
  }
  const held = (query: string) =>
    service.call('POST', `/revocations/cancel?${query}`, { body: { ids: [UNKNOWN] } })
  for (const [name, value] of Object.entries({ dryRun: 'true', force: 'true', cursor: UNKNOWN }))
    isProblem(t, await held(`${name}=${value}`), 'CURFEW_REQUEST_INVALID', name)
  t.equal((await held('dryRun=false')).status, 200)
})

t.test('all that match are cancelled; those of several senders only with force', async (t) => {
  const service = await startService(t, { environment: { QLIK_TIMEOUT_MS: '60000' } })
  service.sandbox.tenant.order({ kind: 'hang', route: 'list', times: Number.POSITIVE_INFINITY })
  const signal = async (userId: string, key = API_KEY) => {
    const headers = { authorization: `Bearer ${key}` }
    return (await service.call('POST', '/logout-hook', { body: { userId }, headers })).json.id
  }
  const running: string[] = []
  for (const userId of ['u1', 'u2']) {
    const arrived = nextCall(service.sandbox, ({ route }) => route === 'list', 'arrived')
    running.unshift(await signal(userId))
    await arrived
  }
  const joined = await signal('u2')
  t.equal(await signal('u2', OTHER_API_KEY), joined)

  const matching = { source: 'logout-hook' }
  const expected = { matched: 3, cancelled: 2, refused: { CURFEW_SEVERAL_SENDERS: 1 }, ids: running }
  t.match((await post(service, 'cancel?dryRun=true', matching)).json, { ...expected, dryRun: true })
  t.match((await post(service, 'cancel', matching)).json, { ...expected, dryRun: false, nextCursor: null })
  const left = (await service.stored()).filter(({ status }) => status !== 'cancelled')
  t.match(left, [{ id: joined }])
  t.equal(left.length, 1)
  const dryRun = (await post(service, 'cancel?force=true&dryRun=true', matching)).json
  t.match(dryRun, { matched: 1, cancelled: 1, refused: {} })
  t.match((await post(service, 'cancel?force=true', matching)).json, { cancelled: 1, ids: [joined] })
  t.match(
    (await service.stored()).map(({ status }) => status),
    ['cancelled', 'cancelled', 'cancelled'],
  )
  t.match((await post(service, 'cancel', { status: 'completed' })).json, { matched: 0, more: false })
})

t.test('with a batch, only what it created is cancelled, unless forced', async (t) => {
  const service = await startService(t, { environment: { QLIK_TIMEOUT_MS: '60000' } })
  service.sandbox.tenant.order({ kind: 'hang', route: 'list', times: Number.POSITIVE_INFINITY })
  const arrived = nextCall(service.sandbox, ({ route }) => route === 'list', 'arrived')
  await service.call('POST', '/logout-hook', { body: { userId: 'u1', reason: 'security' } })
  await arrived
  // Queued behind the run, when the batch is sent later.
  const before = (await service.call('POST', '/logout-hook', { body: { userId: 'u1', reason: 'security' } }))
    .json.id
  const now = service.clock.now()
  await until('a later time', async () => service.clock.now() > now)
  const users = ['u1', 'u2'].map((userId) => ({ userId }))
  await service.call('POST', '/revocations', { body: { users, batch: 'mistake' } })
  const expected = { matched: 2, cancelled: 1, refused: { CURFEW_OLDER_THAN_BATCH: 1 } }
  t.match((await post(service, 'cancel?dryRun=true', { batch: 'mistake' })).json, expected)
  t.match((await post(service, 'cancel', { batch: 'mistake' })).json, expected)
  t.match((await service.call('GET', `/revocations/${before}`)).json, { status: 'queued' })
  t.match((await post(service, 'cancel?force=true', { batch: 'mistake' })).json, {
    cancelled: 1,
    ids: [before],
  })
})

t.test('held revocations that match are released', async (t) => {
  const service = await startService(t, { environment: { MASS_REVOCATION_USERS: '1' } })
  const users = ['u1', 'u2', 'u3'].map((userId) => ({ userId }))
  await service.call('POST', '/revocations', { body: { users } })
  const released = await post(service, 'release?dryRun=true', { reason: 'security' })
  t.match(released.json, { matched: 2, released: 2, joined: 0, dryRun: true })
  t.match((await post(service, 'release', { userId: 'u3' })).json, { released: 1, joined: 0, more: false })
  t.match(
    (await service.stored()).filter(({ status }) => status === 'held'),
    [{ user: { userId: 'u2' } }],
  )
})

t.test('a restricted key changes only revocations of its tenants', async (t) => {
  const { entry } = await sandboxTenant(t, 'acme')
  const keys = entriesOf({ own: { tenants: ['default'] }, other: { tenants: ['acme'] } })
  const { path } = configurationFile(t, { apiKeys: keys, tenants: [entry] })
  const service = await startService(t, { environment: { CONFIG_FILE: path } })
  service.sandbox.tenant.order({ kind: 'status', status: 403, route: 'list' })
  const { json } = await service.call('POST', '/logout-hook', { body: { userId: 'u1' } })
  t.match(await service.ended(json.id), { status: 'failed' })
  const retry = (key: string) => post(service, 'retry', { status: 'failed' }, withKey(key))
  t.match((await retry('other')).json, { matched: 0 })
  t.match((await retry('own')).json, { retried: 1 })
})
