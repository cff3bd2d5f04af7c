import t from 'tap'
import { fakeClock } from '../support/clock.ts'
import { configurationFile, entryFor } from '../support/config-file.ts'
import { KEY } from '../support/configuration.ts'
import { startLogoutService } from '../support/logout-service.ts'
import { isProblem, nothingStored } from '../support/problems.ts'
import { startService } from '../support/service.ts'
import { startWithSources } from '../support/source-service.ts'

const DAY_MS = 24 * 60 * 60_000

t.test('a session is recorded, replaced and deleted: 204, and nothing is revoked', async (t) => {
  const { call, ...service } = await startLogoutService(t)
  const told = await call('PUT', '/sessions/s1', { body: { subject: 'u1' } })
  t.same([told.status, told.text], [204, ''])
  t.equal((await call('PUT', '/sessions/s1', { body: { email: 'ann@example.com' } })).status, 204)
  for (const _ of ['once', 'twice']) t.equal((await call('DELETE', '/sessions/s1')).status, 204)
  await nothingStored(t, { call })
  t.equal((await call('GET', '/sessions/s1')).status, 404, 'nobody can read it')
  t.notMatch(service.logLines.join(''), /s1|u1|ann/, 'the log tells of nobody')
})

t.test('its expiry is given in one form and limited', async (t) => {
  const clock = fakeClock()
  const service = await startLogoutService(t, { clock })
  const at = (ms: number) => new Date(clock.now() + ms).toISOString()
  const isKnown = async () => {
    const reply = await service.logout(await service.token({ sub: undefined, sid: 's' }))
    return reply.status === 200
  }
  for (const [body, ms] of [
    [{}, DAY_MS],
    [{ ttlSeconds: 60 }, 60_000],
    [{ expiresAt: at(90_000 + DAY_MS + 60_000) }, 90_000],
  ] as const) {
    await service.call('PUT', '/sessions/s', { body: { userId: 'q1', ...body } })
    clock.advance(ms - 1)
    t.ok(await isKnown(), JSON.stringify(body))
    clock.advance(1)
    t.notOk(await isKnown(), JSON.stringify(body))
  }
  for (const [body, member] of [
    [{ ttlSeconds: 0 }, '/ttlSeconds'],
    [{ ttlSeconds: 1.5 }, '/ttlSeconds'],
    [{ ttlSeconds: '60' }, '/ttlSeconds'],
    [{ ttlSeconds: 30 * 86_400 + 1 }, '/ttlSeconds'],
    [{ expiresAt: at(0) }, '/expiresAt'],
    [{ expiresAt: at(30 * DAY_MS + 1_000) }, '/expiresAt'],
    [{ expiresAt: 'tomorrow' }, '/expiresAt'],
    [{ expiresAt: '2026-05-04T12:00:00' }, '/expiresAt'],
    [{ expiresAt: at(60_000), ttlSeconds: 60 }, '/'],
  ] as const) {
    const reply = await service.call('PUT', '/sessions/s', { body: { userId: 'q1', ...body } })
    t.equal(reply.json.code, 'CURFEW_REQUEST_INVALID', reply.text)
    t.equal(reply.json.errors[0].member, member, reply.text)
  }
  const longest = await service.call('PUT', '/sessions/s', {
    body: { userId: 'q1', ttlSeconds: 30 * 86_400 },
  })
  t.equal(longest.status, 204)
})

t.test('it requires an API key, one user and valid values', async (t) => {
  const { call } = await startService(t)
  const put = (body: unknown, path = '/sessions/s', headers = {}) => call('PUT', path, { body, headers })
  isProblem(t, await put({ userId: 'q1' }, '/sessions/s', { authorization: '' }), 'CURFEW_UNAUTHENTICATED')
  isProblem(
    t,
    await call('DELETE', '/sessions/s', { headers: { authorization: 'Bearer x' } }),
    'CURFEW_UNAUTHENTICATED',
  )
  for (const [body, member] of [
    [{}, '/'],
    [{ userId: 'a', email: 'a@b' }, '/'],
    [{ userId: '' }, '/userId'],
    [{ email: 'nobody' }, '/email'],
    [{ userId: 'a', more: 1 }, '/more'],
    [[], '/'],
  ] as const) {
    isProblem(t, await put(body), 'CURFEW_REQUEST_INVALID', member)
  }
  isProblem(t, await put({ userId: 'a' }, `/sessions/${'x'.repeat(513)}`), 'CURFEW_REQUEST_INVALID', 'sid')
  isProblem(t, await put({ userId: 'a' }, '/sessions/a%00b'), 'CURFEW_REQUEST_INVALID', 'sid')
  isProblem(t, await call('DELETE', '/sessions/s?more=1'), 'CURFEW_REQUEST_INVALID', 'more')
  isProblem(t, await put({ userId: 'a', tenant: 'none' }), 'CURFEW_UNKNOWN_TENANT')
})

/** Sources without any tokens. */
const source = (name: string, different: object = {}) => ({
  ...{ name, kind: 'oidc-back-channel-logout', issuer: `https://${name}.example`, audience: 'portal' },
  ...different,
})

t.test('an API key restricted to tenants records only their sessions', async (t) => {
  const file = configurationFile(t, {
    tenants: [entryFor('acme'), entryFor('globex')],
    apiKeys: [{ key: `${KEY}-acme`, tenants: ['acme'] }],
    sources: [source('of-acme', { tenant: 'acme' })],
  })
  const { call } = await startService(t, { environment: { CONFIG_FILE: file.path } })
  const headers = { authorization: `Bearer ${KEY}-acme` }
  const put = (tenant?: string) => call('PUT', '/sessions/s', { headers, body: { userId: 'q1', tenant } })
  t.equal((await put()).status, 204, 'its own')
  t.equal((await put('acme')).status, 204)
  isProblem(t, await put('globex'), 'CURFEW_UNKNOWN_TENANT')
  isProblem(t, await put('default'), 'CURFEW_UNKNOWN_TENANT')
  isProblem(t, await call('DELETE', '/sessions/s?tenant=globex', { headers }), 'CURFEW_UNKNOWN_TENANT')
  t.equal((await call('DELETE', '/sessions/s?tenant=acme', { headers })).status, 204)
})

t.test('a source must be named if the tenant has several that support sessions, or none', async (t) => {
  const { call, configure } = await startWithSources(t, [], { tenants: [entryFor('acme')] })
  const put = (body: object) => call('PUT', '/sessions/s', { body: { userId: 'q1', ...body } })
  const isRefused = async (query: string, body: object, expected: RegExp) => {
    const [noted, forgotten] = [await put(body), await call('DELETE', `/sessions/s?${query}`)]
    isProblem(t, noted, 'CURFEW_REQUEST_INVALID', '/source')
    isProblem(t, forgotten, 'CURFEW_REQUEST_INVALID', 'source')
    for (const { json } of [noted, forgotten]) t.match(json.errors[0].expected, expected)
  }
  await isRefused('', {}, /whose tokens name sessions .*: none is configured/)
  await configure([source('one'), source('two'), source('of-acme', { tenant: 'acme' })])
  await isRefused('', {}, /the name of a source whose tokens name sessions/)
  for (const name of ['one', 'two']) {
    t.equal((await put({ source: name })).status, 204)
    t.equal((await call('DELETE', `/sessions/s?source=${name}`)).status, 204)
  }
  t.equal((await put({ tenant: 'acme' })).status, 204, 'its only one')
  t.equal((await call('DELETE', '/sessions/s?tenant=acme&source=of-acme')).status, 204)
})

t.test('the names of sources are not revealed', async (t) => {
  const { key, ...tenants } = { key: `${KEY}-acme`, tenants: ['acme'] }
  const file = configurationFile(t, {
    tenants: [entryFor('acme'), entryFor('globex')],
    apiKeys: [{ key, ...tenants }],
    sources: [
      source('of-acme', { tenantFrom: '{org}', ...tenants }),
      source('of-globex', { tenant: 'globex' }),
      source('of-default'),
      source('without-sessions', { kind: 'shared-signals', tenant: 'acme' }),
    ],
  })
  const { call } = await startService(t, { environment: { CONFIG_FILE: file.path } })
  const headers = { authorization: `Bearer ${key}` }
  const answers = new Set<string>()
  for (const name of ['none', 'of-globex', 'of-default', 'without-sessions', 'Of-Acme', ' ']) {
    const noted = await call('PUT', '/sessions/s', { headers, body: { userId: 'q1', source: name } })
    isProblem(t, noted, 'CURFEW_REQUEST_INVALID', '/source')
    const forgotten = await call('DELETE', `/sessions/s?source=${encodeURIComponent(name)}`, { headers })
    isProblem(t, forgotten, 'CURFEW_REQUEST_INVALID', 'source')
    for (const { json } of [noted, forgotten]) {
      const { requestId, ...same } = json
      answers.add(JSON.stringify(same).replace('/source', 'source'))
    }
  }
  t.equal(answers.size, 1, 'they are as unknown as one that does not exist')
  const own = await call('PUT', '/sessions/s', { headers, body: { userId: 'q1', source: 'of-acme' } })
  t.equal(own.status, 204)
})

t.test('a sid that a proxy would change in a path is accepted in the body', async (t) => {
  const service = await startLogoutService(t)
  const sid = 'a/b%2Fc..'
  const isKnown = async () =>
    (await service.logout(await service.token({ sub: undefined, sid }))).status === 200
  const told = await service.call('PUT', '/sessions', { body: { sid, userId: 'q1', source: 'op' } })
  t.same([told.status, told.text], [204, ''])
  t.ok(await isKnown())
  t.equal((await service.call('DELETE', '/sessions', { body: { sid, source: 'op' } })).status, 204)
  t.notOk(await isKnown())
  await service.call('PUT', `/sessions/${encodeURIComponent(sid)}`, { body: { userId: 'q1' } })
  t.ok(await isKnown(), 'both name the same session')
})

t.test('a session in the body is validated like one in the path', async (t) => {
  const service = await startLogoutService(t)
  for (const [method, body, member] of [
    ['PUT', { userId: 'q1' }, '/sid'],
    ['PUT', { sid: '', userId: 'q1' }, '/sid'],
    ['PUT', { sid: 's1' }, '/'],
    ['PUT', { sid: 's1', userId: 'q1', email: 'ann@example.com' }, '/'],
    ['PUT', { sid: 's1', userId: 'q1', ttlSeconds: 60, expiresAt: '2026-05-04T12:00:00Z' }, '/'],
    ['PUT', { sid: 's1', userId: 'q1', source: 'none' }, '/source'],
    ['DELETE', {}, '/sid'],
    ['DELETE', { sid: 's1', userId: 'q1' }, '/userId'],
    ['DELETE', { sid: 's1', source: 'none' }, '/source'],
  ] as const)
    isProblem(t, await service.call(method, '/sessions', { body }), 'CURFEW_REQUEST_INVALID', member)
  for (const method of ['PUT', 'DELETE']) {
    const body = { sid: 's1', ...(method === 'PUT' ? { userId: 'q1' } : {}) }
    const { status } = await service.call(method, '/sessions', { body, headers: { authorization: '' } })
    t.equal(status, 401, method)
  }
})
