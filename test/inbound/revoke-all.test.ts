import t from 'tap'
import { isProblem, nothingStored } from '../support/problems.ts'
import { startService } from '../support/service.ts'

t.test('without a body every token of the user goes, as a security matter', async (t) => {
  const service = await startService(t)
  const ann = service.userWithTokens(2)
  const { status, headers, json } = await service.call('POST', `/users/${ann.id}/revoke-all`)
  t.equal(status, 202)
  t.equal(headers.get('location'), `/revocations/${json.id}`)
  t.match(json, { user: { userId: ann.id }, source: 'revoke-all', reason: 'security', scope: 'all' })
  t.match(await service.settled(json.id), { outcome: 'revoked', verified: true, tokens: { revoked: 2 } })
  t.same(service.sandbox.tenant.tokensOf(ann.id), [])
})

t.test('no body may come in several ways, and a body says more', async (t) => {
  const { call } = await startService(t)
  const json = { 'content-type': 'application/json' }
  const accepted: [string, object, object][] = [
    ['no body', {}, { reason: 'security' }],
    ['a content type and no body', { headers: json }, { reason: 'security' }],
    ['an empty body', { headers: json, body: '' }, { reason: 'security' }],
    ['an empty object', { body: {} }, { reason: 'security' }],
    ['a reason', { body: { reason: 'logout' } }, { reason: 'logout', scope: 'issued-before' }],
    ['a scope', { body: { scope: 'issued-before' } }, { reason: 'security', scope: 'issued-before' }],
    ['a device type', { body: { deviceType: 'Browser' } }, { deviceType: 'Browser' }],
  ]
  for (const [index, [name, options, expected]] of accepted.entries()) {
    const reply = await call('POST', `/users/u${index}/revoke-all`, options)
    t.equal(reply.status, 202, `${name}: ${reply.text}`)
    t.match(reply.json, expected)
  }
})

t.test('the tenant can be named in the query or the body, but not two different ones', async (t) => {
  const service = await startService(t)
  const conflict = { body: { tenant: 'default' } }
  const reply = await service.call('POST', '/users/u1/revoke-all?tenant=elsewhere', conflict)
  isProblem(t, reply, 'CURFEW_REQUEST_INVALID', '/tenant')
  await nothingStored(t, service)
  const accepted: [string, object][] = [
    ['?tenant=default', {}],
    ['', { body: { tenant: 'default' } }],
    ['?tenant=default', { body: { tenant: 'default' } }],
  ]
  for (const [query, options] of accepted) {
    const { status } = await service.call('POST', `/users/u1/revoke-all${query}`, options)
    t.equal(status, 202)
  }
})

t.test('a dry run lists what would go, revokes nothing and stores nothing', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  const ann = service.userWithTokens(120)
  tenant.issueTokens(ann.id, 1, { deviceType: 'Phone' })
  const dryRun = (query = '', options = {}) =>
    service.call('POST', `/users/${ann.id}/revoke-all?dryRun=true${query}`, options)

  const { status, headers, json } = await dryRun('&tenant=default')
  t.equal(status, 200)
  t.equal(headers.get('location'), null)
  t.same(Object.keys(json), ['tokens'])
  const expected = tenant.tokensOf(ann.id).map(({ id }) => id)
  t.same(json.tokens.map(({ id }: { id: string }) => id).sort(), expected.sort(), 'over several pages')
  t.same(Object.keys(json.tokens[0]), ['id', 'deviceType', 'lastUsed', 'description', 'clientId'])

  const phones = await dryRun('', { body: { deviceType: 'Phone' } })
  t.match(phones.json.tokens, [{ deviceType: 'Phone' }])
  t.equal(phones.json.tokens.length, 1)
  const past = { reason: 'logout', occurredAt: '2020-01-01T00:00:00Z' }
  t.same((await dryRun('', { body: past })).json, { tokens: [] }, 'later tokens would be kept')
  t.same((await service.call('POST', '/users/nobody/revoke-all?dryRun=1')).json, { tokens: [] })

  t.equal(tenant.tokensOf(ann.id).length, 121)
  t.equal(tenant.calls.filter(({ route }) => route === 'revoke').length, 0)
  await nothingStored(t, service)
})

t.test('a dry run that Qlik does not answer says so, without a guess', async (t) => {
  const service = await startService(t)
  const { tenant } = service.sandbox
  t.equal((await service.call('POST', '/users/u1/revoke-all?dryRun=true')).status, 200)
  for (const [status, code] of [
    [500, 'CURFEW_QLIK_UNAVAILABLE'],
    [403, 'CURFEW_QLIK_FORBIDDEN'],
    [400, 'CURFEW_QLIK_REJECTED'],
    [418, 'CURFEW_QLIK_UNREADABLE'],
  ] as const) {
    tenant.order({ kind: 'status', status, route: 'list' })
    isProblem(t, await service.call('POST', '/users/u1/revoke-all?dryRun=true'), code)
  }
  await nothingStored(t, service)
})

t.test('with dryRun=false it is not a dry run; anything else is refused', async (t) => {
  const service = await startService(t)
  for (const value of ['maybe', '', '2', 'true&dryRun=true']) {
    const reply = await service.call('POST', `/users/u1/revoke-all?dryRun=${value}`)
    isProblem(t, reply, 'CURFEW_REQUEST_INVALID', 'dryRun')
  }
  await nothingStored(t, service)
  t.equal((await service.call('POST', '/users/u1/revoke-all?dryRun=false')).status, 202)
})
