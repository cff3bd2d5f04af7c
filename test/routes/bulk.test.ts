import t from 'tap'
import { isProblem, nothingStored } from '../support/problems.ts'
import { startService } from '../support/service.ts'

const users = (count: number) => Array.from({ length: count }, (_, index) => ({ userId: `u${index}` }))

t.test('many users are accepted in one request, each with its own revocation, in order', async (t) => {
  const service = await startService(t)
  const ann = service.userWithTokens(2, { email: 'ann@example.com' })
  const ben = service.userWithTokens(1, { subject: 'idp|ben' })
  const body = {
    reason: 'logout',
    users: [{ email: 'ann@example.com' }, { subject: 'idp|ben' }, { userId: 'nobody' }],
  }
  const { status, headers, json } = await service.call('POST', '/revocations', { body })
  t.equal(status, 202)
  t.equal(headers.get('location'), null)
  t.same(Object.keys(json), ['batch', 'items'])
  t.match(json.items, [
    { index: 0, revocation: { user: { email: 'ann@example.com' }, source: 'bulk', reason: 'logout' } },
    { index: 1, revocation: { user: { subject: 'idp|ben' }, scope: 'issued-before' } },
    { index: 2, revocation: { user: { userId: 'nobody' }, status: 'queued' } },
  ])
  const ended = await Promise.all(json.items.map((item: typeof json) => service.settled(item.revocation.id)))
  t.match(ended, [{ tokens: { revoked: 2 } }, { tokens: { revoked: 1 } }, { outcome: 'no-such-user' }])
  for (const { id } of [ann, ben]) t.same(service.sandbox.tenant.tokensOf(id), [])
})

t.test('the default reason is security', async (t) => {
  const { call } = await startService(t)
  const { json } = await call('POST', '/revocations', { body: { users: users(1) } })
  t.match(json.items[0].revocation, { reason: 'security', scope: 'all' })
})

t.test('an invalid user does not block the others', async (t) => {
  const { call, stored } = await startService(t)
  const wrong: [unknown, string][] = [
    [{ email: 'no-address' }, '/email'],
    [{}, '/'],
    [{ userId: 'a', subject: 'b' }, '/'],
    [{ userId: 'a', tenant: 'default' }, '/tenant'],
    [{ userId: 7 }, '/userId'],
    [{ subject: '' }, '/subject'],
    [{ userId: 'a\u0000' }, '/userId'],
    [{ userId: 'a', 'a/b~c': 1 }, '/a~1b~0c'],
    [null, '/'],
    ['u1', '/'],
    [[], '/'],
  ]
  const body = { users: [{ userId: 'first' }, ...wrong.map(([user]) => user), { userId: 'last' }] }
  const { status, json } = await call('POST', '/revocations', { body })
  t.equal(status, 202)
  t.equal(json.items.length, body.users.length)
  t.match(json.items.at(0), { index: 0, revocation: { user: { userId: 'first' } } })
  t.match(json.items.at(-1), { index: body.users.length - 1, revocation: { user: { userId: 'last' } } })
  for (const [offset, [user, member]] of wrong.entries()) {
    const item = json.items[offset + 1]
    t.same(Object.keys(item), ['index', 'error'], JSON.stringify(user))
    t.match(item, { index: offset + 1, error: { status: 400, code: 'CURFEW_REQUEST_INVALID' } })
    t.match(item.error.errors, [{ member, expected: /expected/ }])
  }
  t.equal((await stored()).length, 2)
})

t.test('invalid users are counted, and logged in one line a minute', async (t) => {
  const { call, logLines } = await startService(t)
  const body = { users: [{ userId: 'valid' }, { email: 'no-address' }, null] }
  const headers = { 'idempotency-key': 'once' }
  for (let repeated = 0; repeated < 2; repeated += 1) await call('POST', '/revocations', { body, headers })
  await call('POST', '/revocations', { body: { users: [{}] } })
  await call('POST', '/revocations?dryRun=true', { body })
  const { text } = await call('GET', '/metrics')
  t.match(text, /^curfew_rejections_total\{source="bulk",reason="CURFEW_REQUEST_INVALID"\} 3$/m)
  t.match(text, /^curfew_signals_total\{source="bulk",result="rejected"\} 3$/m)
  const lines = logLines.map((line) => JSON.parse(line)).filter(({ level, code }) => level === 40 && code)
  t.match(lines, [
    {
      ...{ msg: 'users of a request rejected', source: 'bulk', route: 'POST /revocations', users: 2 },
      ...{ sender: 'API_KEYS[0]', code: 'CURFEW_REQUEST_INVALID', problem: 'The request is invalid' },
    },
  ])
  t.equal(lines.length, 1)
  t.notMatch(logLines.join(), 'no-address')
})

t.test('the same user twice becomes one revocation', async (t) => {
  const { call, stored } = await startService(t)
  const body = { users: [{ userId: 'a' }, { userId: 'b' }, { userId: 'a' }] }
  const { json } = await call('POST', '/revocations', { body })
  const [first, second, third] = json.items.map((item: typeof json) => item.revocation.id)
  t.equal(third, first)
  t.not(second, first)
  t.equal((await stored()).length, 2)
})

t.test('a thousand users are accepted, in up to 1 MiB', async (t) => {
  const { call } = await startService(t)
  const body = JSON.stringify({ users: users(1_000) }).padEnd(1024 * 1024)
  const { status, json } = await call('POST', '/revocations', { body })
  t.equal(status, 202)
  t.equal(new Set(json.items.map((item: typeof json) => item.revocation.id)).size, 1_000)
})

t.test('a body without a list of 1 to 1,000 users is rejected as a whole', async (t) => {
  const service = await startService(t)
  const post = (body: unknown) => service.call('POST', '/revocations', { body })
  for (const body of [{}, { users: null }, { users: {} }, { users: [] }, { users: users(1_001) }]) {
    isProblem(t, await post(body), 'CURFEW_REQUEST_INVALID', '/users')
  }
  isProblem(t, await post({ users: users(1), userId: 'u1' }), 'CURFEW_REQUEST_INVALID', '/userId')
  isProblem(t, await post({ users: users(1), reason: 'boredom' }), 'CURFEW_REQUEST_INVALID', '/reason')
  isProblem(
    t,
    await post({ users: users(1), occurredAt: '2100-01-01T00:00:00Z' }),
    'CURFEW_REQUEST_INVALID',
    '/occurredAt',
  )
  isProblem(t, await post([]), 'CURFEW_REQUEST_INVALID', '/')
  isProblem(
    t,
    await post(JSON.stringify({ users: users(1) }).padEnd(1024 * 1024 + 1)),
    'CURFEW_BODY_TOO_LARGE',
  )
  isProblem(t, await post(`{"users":[{"__proto__":{"userId":"u1"}}]}`), 'CURFEW_BODY_UNREADABLE')
  await nothingStored(t, service)
})

t.test(
  'a user nested half a million levels deep is one invalid user, also with an Idempotency-Key',
  async (t) => {
    const service = await startService(t)
    const levels = 500_000
    const body = `{"users":[${'['.repeat(levels)}${']'.repeat(levels)}]}`
    const headers = { 'idempotency-key': '"deep"' }
    for (const options of [{ body }, { body, headers }]) {
      const { status, json } = await service.call('POST', '/revocations', options)
      t.equal(status, 202)
      t.match(json.items, [{ index: 0, error: { code: 'CURFEW_REQUEST_INVALID' } }])
    }
    await nothingStored(t, service)
  },
)
