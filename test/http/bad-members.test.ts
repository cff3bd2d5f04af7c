import t from 'tap'
import { isProblem, nothingStored } from '../support/problems.ts'
import { startService } from '../support/service.ts'

const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`

/** The body of a logout, and its invalid member. */
const BODIES: [body: unknown, member: string][] = [
  ['null', '/'],
  [[], '/'],
  [[{ userId: 'u1' }], '/'],
  ['"u1"', '/'],
  ['7', '/'],
  ['true', '/'],
  [deep(30_000), '/'],
  [{}, '/'],
  [{ reason: 'logout' }, '/'],
  [{ userId: 'u1', subject: 's' }, '/'],
  [{ userId: 'u1', email: 'a@b' }, '/'],
  [{ subject: 's', email: 'a@b' }, '/'],
  [{ userId: 'u1', subject: 's', email: 'a@b' }, '/'],
  [{ userId: '' }, '/userId'],
  [{ subject: '' }, '/subject'],
  [{ email: '' }, '/email'],
  [{ userId: 'x'.repeat(513) }, '/userId'],
  [{ subject: 'x'.repeat(513) }, '/subject'],
  [{ email: `${'x'.repeat(511)}@b` }, '/email'],
  [{ userId: 7 }, '/userId'],
  [{ userId: null }, '/userId'],
  [{ userId: ['u1'] }, '/userId'],
  [{ userId: { $ne: '' } }, '/userId'],
  [`{"userId":${deep(32_000)}}`, '/userId'],
  [{ subject: true }, '/subject'],
  [{ email: 'ann' }, '/email'],
  [{ email: 'ann@' }, '/email'],
  [{ email: '@example.com' }, '/email'],
  [{ email: 'ann@b@c' }, '/email'],
  [{ email: 'ann b@c' }, '/email'],
  ['{"userId":"a\\ud800"}', '/userId'],
  ['{"userId":"\\udc00\\ud800"}', '/userId'],
  ['{"subject":"\\udfff"}', '/subject'],
  ['{"email":"\\ud800@b"}', '/email'],
  ['{"userId":"u1","tenant":"\\ud800"}', '/tenant'],
  [{ userId: 'a\u0000' }, '/userId'],
  [{ userId: 'a\nb' }, '/userId'],
  [{ userId: 'a\u007f' }, '/userId'],
  [{ subject: '\u0085' }, '/subject'],
  [{ email: 'a\u001b@b' }, '/email'],
  [{ userId: 'u1', tenant: '' }, '/tenant'],
  [{ userId: 'u1', tenant: 1 }, '/tenant'],
  [{ userId: 'u1', reason: 'Logout' }, '/reason'],
  [{ userId: 'u1', reason: '' }, '/reason'],
  [{ userId: 'u1', reason: null }, '/reason'],
  [{ userId: 'u1', scope: 'some' }, '/scope'],
  [{ userId: 'u1', scope: ['all'] }, '/scope'],
  [{ userId: 'u1', deviceType: '' }, '/deviceType'],
  [{ userId: 'u1', deviceType: 'a\tb' }, '/deviceType'],
  [{ userId: 'u1', deviceType: 'x'.repeat(513) }, '/deviceType'],
  [{ userId: 'u1', deviceType: '端'.repeat(171) }, '/deviceType'],
  [{ userId: 'u1', userid: 'u2' }, '/userid'],
  [{ userId: 'u1', 'a/b~': 1 }, '/a~1b~0'],
  [{ userId: 'u1', constructor: 1 }, '/constructor'],
  [{ userId: 'u1', prototype: {} }, '/prototype'],
  [{ userId: 'u1', toString: 1 }, '/toString'],
  [{ userId: 'u1', '': 1 }, '/'],
  [`{"userId":"u1","extra":${deep(32_000)}}`, '/extra'],
  ['{"userId":"u1","\\ud800":1}', '/\ud800'],
]

t.test('an invalid body is rejected with the name of the member', async (t) => {
  const service = await startService(t)
  for (const [body, member] of BODIES) {
    const sent = typeof body === 'string' ? body : JSON.stringify(body)
    isProblem(t, await service.call('POST', '/logout-hook', { body: sent }), 'CURFEW_REQUEST_INVALID', member)
  }
  await nothingStored(t, service)
})

t.test('revoke-all rejects members that name a user, and all invalid details', async (t) => {
  const service = await startService(t)
  const bodies = BODIES.flatMap(([body, member]): typeof BODIES => {
    const isDetail = ['/tenant', '/reason', '/scope', '/deviceType'].includes(member)
    if (!isDetail || typeof body !== 'object') return []
    return [[{ ...body, userId: undefined }, member]]
  })
  t.ok(bodies.length > 5)
  const others: typeof BODIES = [
    ['null', '/'],
    [[], '/'],
    ['7', '/'],
    [{ userId: 'u1' }, '/userId'],
    [{ email: 'a@b' }, '/email'],
    [{ users: [] }, '/users'],
  ]
  for (const [body, member] of [...bodies, ...others]) {
    isProblem(
      t,
      await service.call('POST', '/users/u1/revoke-all', { body }),
      'CURFEW_REQUEST_INVALID',
      member,
    )
  }
  for (const query of ['tenant=', 'tenant=%00', 'tenant=a&tenant=b', 'dry=true', 'dryrun=true']) {
    const reply = await service.call('POST', `/users/u1/revoke-all?${query}`)
    isProblem(t, reply, 'CURFEW_REQUEST_INVALID', query.split('=')[0])
  }
  await nothingStored(t, service)
})

t.test('several mistakes are reported together, up to a limit, without values', async (t) => {
  const { call } = await startService(t)
  const body = {
    userId: 'secret\n',
    reason: 'secret',
    scope: 'secret',
    occurredAt: 'secret',
    tenant: 'secret\n',
  }
  const { text, json } = await call('POST', '/logout-hook', { body })
  const members = json.errors.map(({ member }: { member: string }) => member)
  t.same(members.sort(), ['/occurredAt', '/reason', '/scope', '/tenant', '/userId'])
  t.notMatch(text, 'secret')

  const many = Object.fromEntries(
    Array.from({ length: 500 }, (_, index) => [`${index}${'x'.repeat(100)}`, 1]),
  )
  const answer = await call('POST', '/logout-hook', { body: { userId: 'u1', ...many } })
  t.equal(answer.json.errors.length, 20)
  const long = await call('POST', '/logout-hook', { body: { userId: 'u1', ['x'.repeat(60_000)]: 1 } })
  t.equal(long.status, 400)
  t.ok(long.text.length < 1_000, 'what is sent is not sent back at length')
})
