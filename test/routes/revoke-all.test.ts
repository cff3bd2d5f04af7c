import t from 'tap'
import { isProblem, nothingStored } from '../support/problems.ts'
import { startService } from '../support/service.ts'

t.test('without a body every token of the user is revoked, with the reason security', async (t) => {
  const service = await startService(t)
  const ann = service.userWithTokens(2)
  const { status, headers, json } = await service.call('POST', `/users/${ann.id}/revoke-all`)
  t.equal(status, 202)
  t.equal(headers.get('location'), `/revocations/${json.id}`)
  t.match(json, { user: { userId: ann.id }, source: 'revoke-all', reason: 'security', scope: 'all' })
  t.match(await service.settled(json.id), { outcome: 'revoked', verified: true, tokens: { revoked: 2 } })
  t.same(service.sandbox.tenant.tokensOf(ann.id), [])
})

t.test('an absent body has several forms, and a body adds details', async (t) => {
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
