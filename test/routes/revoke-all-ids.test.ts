import t from 'tap'
import { isProblem, nothingStored } from '../support/problems.ts'
import { sendRequest } from '../support/raw-http.ts'
import { API_KEY, startService } from '../support/service.ts'

/** Ids that change a URL if they are inserted without encoding. */
const IDS = [
  'a/b',
  '/',
  'a?userId=b',
  'a#b',
  '..',
  '../..',
  '.',
  '%',
  '%2e%2e%2f',
  'a%00b',
  'a&limit=1',
  'a;b',
  'a b',
  'a+b',
  'a"b',
  'ü',
  '🌙',
  '界'.repeat(512),
]

t.test('an id in the path is used literally and reaches Qlik only as an id', async (t) => {
  const service = await startService(t)
  const { url, sandbox } = service
  const bystander = service.userWithTokens(1)
  for (const id of IDS) {
    const user = service.userWithTokens(1, { id })
    const path = `/users/${encodeURIComponent(id).replaceAll('.', '%2E')}/revoke-all`
    sandbox.tenant.calls.length = 0
    const headers = { authorization: `Bearer ${API_KEY}`, prefer: 'wait=30' }
    const { status, body } = await sendRequest(url, 'POST', path, headers)
    t.equal(status, 200, id.slice(0, 20))
    t.match(JSON.parse(body), { user: { userId: id }, outcome: 'revoked', tokens: { revoked: 1 } })
    t.same(sandbox.tenant.tokensOf(user.id), [])
    const listed = sandbox.tenant.calls.filter(({ route }) => route === 'list')
    for (const call of listed) {
      const { pathname, searchParams } = new URL(call.path, url)
      t.equal(pathname, '/api/v1/oauth-tokens')
      t.same(
        [...searchParams],
        [
          ['limit', '100'],
          ['userId', id],
        ],
      )
    }
    t.equal(listed.length, 2)
  }
  t.equal(sandbox.tenant.tokensOf(bystander.id).length, 1)
})

t.test('an invalid id is rejected', async (t) => {
  const service = await startService(t)
  for (const id of ['%00', 'a%0Ab', '%C2%85', 'x'.repeat(513), 'x'.repeat(8_000)]) {
    const reply = await service.call('POST', `/users/${id}/revoke-all`)
    isProblem(t, reply, 'CURFEW_REQUEST_INVALID', 'id')
  }
  for (const id of ['%', '%zz', '%ff', '%c3%28', '%ed%a0%80', 'a%2']) {
    const reply = await service.call('POST', `/users/${id}/revoke-all`)
    isProblem(t, reply, 'CURFEW_REQUEST_INVALID', 'path')
  }
  isProblem(t, await service.call('POST', '/users//revoke-all'), 'CURFEW_REQUEST_INVALID', 'id')
  isProblem(t, await service.call('POST', '/users/a/b/revoke-all'), 'CURFEW_NOT_FOUND')
  await nothingStored(t, service)
})
