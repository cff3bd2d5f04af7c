import t from 'tap'
import { type Json, openSandbox, stoppedClock } from './open-sandbox.ts'

const LIST = '/api/v1/oauth-tokens'

/** The `page` parameter of a link, which clients must extract. */
function pageIn(link: Json): string | null {
  return link === undefined ? null : new URL(link.href).searchParams.get('page')
}

t.test('an admin sees the tokens of a user, as documented', async (t) => {
  const clock = stoppedClock(Date.parse('2024-07-31T07:42:54.407Z'))
  const { call, tenant, url } = await openSandbox(t, { now: clock.now })
  const user = tenant.addUser()
  tenant.issueTokens(user.id, 1, { deviceType: 'Phone' })
  const { status, body } = await call('GET', `${LIST}?userId=${user.id}`)
  t.equal(status, 200)
  t.match(body.data, [
    {
      id: /^66a9eafe[0-9a-f]{16}$/,
      tenantId: tenant.id,
      userId: user.id,
      clientId: null,
      description: null,
      deviceType: 'Phone',
      lastUsed: '2024-07-31T07:42:54.407Z',
    },
  ])
  t.same(body.links, { self: { href: `${url}${LIST}?userId=${user.id}` } })
})

t.test('ids can be opaque, and a token can be old or never used', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const user = tenant.addUser()
  tenant.issueTokens(user.id, 1, { idForm: 'opaque', lastUsed: null })
  tenant.issueTokens(user.id, 1, { issuedAt: 0 })
  const { body } = await call('GET', `${LIST}?userId=${user.id}`)
  t.match(body.data, [
    { id: /^[\w-]{32}$/, lastUsed: null },
    { id: /^00000000[0-9a-f]{16}$/, lastUsed: '1970-01-01T00:00:00.000Z' },
  ])
})

t.test('the skew shifts the Date header and the issue times, not the rate limit', async (t) => {
  const clock = stoppedClock(Date.parse('2024-07-31T07:42:54Z'))
  const { call, tenant } = await openSandbox(t, { now: clock.now, clockSkewMs: -54_000 })
  const [token] = tenant.issueTokens(tenant.addUser().id)
  t.equal(token?.issuedAt, Date.parse('2024-07-31T07:42:00Z'))
  t.equal((await call('GET', LIST)).headers.get('date'), 'Wed, 31 Jul 2024 07:42:00 GMT')
})

t.test('a listing without a user contains all users, sorted by id', async (t) => {
  const { call, client, tenant } = await openSandbox(t)
  for (const id of ['b', 'a', 'c']) tenant.issueTokens(tenant.addUser({ id }).id, 2)
  const { body } = await call('GET', `${LIST}?sort=userId`)
  const userIds = body.data.map((row: Json) => row.userId)
  t.strictSame(userIds, ['a', 'a', 'b', 'b', 'c', 'c', client.userId].sort())
})

t.test('pages link forward and back, on the origin that was called', async (t) => {
  const { call, tenant, url } = await openSandbox(t)
  const user = tenant.addUser()
  const ids = tenant.issueTokens(user.id, 5).map(({ id }) => id)
  const read = async (page: string | null) => {
    const { body } = await call(
      'GET',
      `${LIST}?userId=${user.id}&limit=2${page === null ? '' : `&page=${page}`}`,
    )
    return { ids: body.data.map((row: Json) => row.id), links: body.links }
  }
  const first = await read(null)
  t.match(first.links.next.href, new RegExp(`^${url}/api/v1/oauth-tokens\\?.*page=`))
  const second = await read(pageIn(first.links.next))
  const third = await read(pageIn(second.links.next))
  t.strictSame([first.ids, second.ids, third.ids], [ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)])
  t.equal(first.links.prev, undefined)
  t.equal(third.links.next, undefined)
  t.strictSame((await read(pageIn(third.links.prev))).ids, second.ids)
  t.strictSame((await read(pageIn(second.links.prev))).ids, first.ids)
})

t.test('pages link through all users, also if all tokens of a user disappear in between', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const everyone = ['c', 'a', 'b'].flatMap((id) => tenant.issueTokens(tenant.addUser({ id }).id, 2))
  const idsOf = (userId: string) => everyone.filter((token) => token.userId === userId).map(({ id }) => id)
  const first = (await call('GET', `${LIST}?limit=3`)).body
  const [, ...seen] = first.data.map((row: Json) => row.id)
  for (const token of tenant.tokensOf('a')) tenant.tokens.remove(token)
  const second = (await call('GET', `${LIST}?limit=10&page=${pageIn(first.links.next)}`)).body
  const rest = second.data.map((row: Json) => row.id)
  // The first one is the client's own access token.
  t.strictSame([...seen, ...rest], [...idsOf('a'), ...idsOf('b'), ...idsOf('c')])
})

t.test('no token is skipped or listed twice if pages are revoked between reads', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const user = tenant.addUser()
  const ids = tenant.issueTokens(user.id, 7).map(({ id }) => id)
  const seen: string[] = []
  let page: string | null = null
  do {
    const { body }: Json = await call(
      'GET',
      `${LIST}?userId=${user.id}&limit=2${page === null ? '' : `&page=${page}`}`,
    )
    for (const { id } of body.data) {
      seen.push(id)
      await call('DELETE', `${LIST}/${id}`)
    }
    page = pageIn(body.links.next)
  } while (page !== null)
  t.strictSame(seen, ids)
  t.strictSame(tenant.tokensOf(user.id), [])
})

t.test('a token that is issued while pages are read comes at the end', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const user = tenant.addUser()
  tenant.issueTokens(user.id, 3)
  const { body } = await call('GET', `${LIST}?userId=${user.id}&limit=2`)
  const [late] = tenant.issueTokens(user.id)
  const next = await call('GET', `${LIST}?userId=${user.id}&limit=2&page=${pageIn(body.links.next)}`)
  t.equal(next.body.data[1].id, late?.id)
})

t.test('invalid parameters get 400', async (t) => {
  const { call } = await openSandbox(t)
  const queries = [
    'limit=0',
    'limit=101',
    'limit=x',
    'limit=',
    'sort=id',
    'page=nonsense',
    'page=',
    'userId=a&userId=b',
  ]
  for (const query of queries) {
    const { status, body } = await call('GET', `${LIST}?${query}`)
    t.equal(status, 400, query)
    t.match(body, { errors: [{ code: 'HTTP-400', status: '400' }], traceId: String })
  }
})

t.test('a client without the role, or without the scope, sees its own tokens and no error', async (t) => {
  const { call, client, tenant } = await openSandbox(t)
  const user = tenant.addUser()
  tenant.issueTokens(user.id, 2)
  const plain = tenant.addClient({ admin: false })
  for (const [owner, scope] of [[plain, 'admin_classic'] as const, [client, 'user_default'] as const]) {
    const { accessToken: token, id } = tenant.issueAccessToken(owner, scope)
    t.strictSame((await call('GET', `${LIST}?userId=${user.id}`, { token })).body.data, [])
    const own = await call('GET', LIST, { token })
    t.equal(own.body.data.at(-1).id, id)
    t.ok(own.body.data.every((row: Json) => row.userId === owner.userId))
  }
})

t.test('a revoked token is not listed and cannot be used', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const user = tenant.addUser()
  const [token] = tenant.issueTokens(user.id, 2)
  const before = await call('GET', '/api/v1/items', { token: token?.accessToken })
  t.equal(before.status, 200)
  t.equal((await call('DELETE', `${LIST}/${token?.id}`)).status, 204)
  t.equal(token?.revoked, true)
  t.equal(tenant.tokensOf(user.id).length, 1)
  const after = await call('GET', '/api/v1/items', { token: token?.accessToken })
  t.equal(after.status, 401)
  t.match(after.body, { errors: [{ code: String, title: 'Unauthorized', status: '401' }], traceId: String })
})

t.test('a client that revokes its own access token is locked out', async (t) => {
  const { call, client, tenant } = await openSandbox(t)
  const [own] = tenant.tokensOf(client.userId)
  t.equal((await call('DELETE', `${LIST}/${own?.id}`)).status, 204)
  t.equal((await call('GET', LIST)).status, 401)
})

t.test('an unknown or already revoked token gets 404, or 204 if configured', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const [token] = tenant.issueTokens(tenant.addUser().id)
  t.equal((await call('DELETE', `${LIST}/${token?.id}`)).status, 204)
  for (const id of ['unknown', token?.id]) {
    tenant.settings.unknownTokenDelete = 404
    const { status, body } = await call('DELETE', `${LIST}/${id}`)
    t.equal(status, 404)
    t.match(body, { errors: [{ code: 'HTTP-404', status: '404' }] })
    tenant.settings.unknownTokenDelete = 204
    t.equal((await call('DELETE', `${LIST}/${id}`)).status, 204)
  }
})

t.test('a client that is not an admin can revoke only its own tokens', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const plain = tenant.addClient({ admin: false })
  const { accessToken: token, id } = tenant.issueAccessToken(plain, 'admin_classic')
  const [foreign] = tenant.issueTokens(tenant.addUser().id)
  t.equal((await call('DELETE', `${LIST}/${foreign?.id}`, { token })).status, 403)
  t.equal(foreign?.revoked, false)
  t.equal((await call('DELETE', `${LIST}/${id}`, { token })).status, 204)
})

t.test('every call needs a valid token', async (t) => {
  const { url, call } = await openSandbox(t)
  const paths = [LIST, '/api/v1/users/me', '/api/v1/users/x', '/api/v1/users', '/api/v1/items']
  for (const path of paths) {
    t.equal((await call('GET', path, { token: null })).status, 401, path)
    t.equal((await call('GET', path, { token: 'guess' })).status, 401, path)
  }
  t.equal((await call('DELETE', `${LIST}/x`, { token: null })).status, 401)
  t.equal((await fetch(url + LIST, { headers: { authorization: 'Basic eDp5' } })).status, 401)
})

t.test('tokens are only issued to existing users', async (t) => {
  const { tenant } = await openSandbox(t)
  t.throws(() => tenant.issueTokens('nobody'), /User nobody does not exist/)
})

t.test(
  'what Qlik does not document varies: ids, use after a revocation, headers with the limit',
  async (t) => {
    const clock = stoppedClock()
    const settings = { tokenIds: 'opaque', validAfterRevokeMs: 2_000, rateLimitHeaders: true } as const
    const { call, tenant } = await openSandbox(t, { now: clock.now, ...settings })
    const [token] = tenant.issueTokens(tenant.addUser().id, 1)
    t.match(token?.id, /^[\w-]{32}$/)
    const used = async () => (await call('GET', `${LIST}`, { token: token?.accessToken ?? '' })).status
    t.equal((await call('DELETE', `${LIST}/${token?.id}`)).status, 204)
    t.same([await used(), tenant.tokensOf(token?.userId ?? '')], [200, []], 'usable, but no longer listed')
    clock.time += 2_000
    t.equal(await used(), 401)
    const { headers } = await call('GET', LIST)
    t.match([headers.get('ratelimit-limit'), headers.get('ratelimit-policy')], ['5000', '5000;w=300'])
  },
)
