import t from 'tap'
import { type Json, openSandbox } from './open-sandbox.ts'

t.test('"me" is a redirect to the bot user of the client', async (t) => {
  const { call, client, tenant } = await openSandbox(t, {}, { id: 'k3r48' })
  const me = await call('GET', '/api/v1/users/me')
  t.equal(me.status, 301)
  t.equal(me.headers.get('location'), `/api/v1/users/${client.userId}`)
  const { status, body } = await call('GET', me.headers.get('location') ?? '')
  t.equal(status, 200)
  t.match(body, {
    id: client.userId,
    tenantId: tenant.id,
    clientId: 'k3r48',
    subject: 'qlikbot\\k3r48',
    name: String,
    status: 'active',
    roles: ['TenantAdmin'],
    assignedRoles: [{ name: 'TenantAdmin', level: 'admin', type: 'default' }],
  })
})

t.test('the redirect can be absolute', async (t) => {
  const { call, client, url } = await openSandbox(t, { absoluteRedirect: true })
  t.equal(
    (await call('GET', '/api/v1/users/me')).headers.get('location'),
    `${url}/api/v1/users/${client.userId}`,
  )
})

t.test('roles can be omitted, and a client can have none', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const untold = tenant.addClient({ rolesReported: false })
  const { body } = await call('GET', `/api/v1/users/${untold.userId}`)
  t.equal('roles' in body || 'assignedRoles' in body, false)
  const plain = tenant.addClient({ admin: false })
  t.match((await call('GET', `/api/v1/users/${plain.userId}`)).body, { roles: [], assignedRoles: [] })
})

t.test('the role can be removed and restored, also for issued access tokens', async (t) => {
  const { call, client, tenant } = await openSandbox(t)
  const user = tenant.addUser()
  const [token] = tenant.issueTokens(user.id)
  const seen = async () => {
    const listed = await call('GET', `/api/v1/oauth-tokens?userId=${user.id}`)
    const { body } = await call('GET', `/api/v1/users/${client.userId}`)
    return [listed.status, listed.body.data.length, body.roles]
  }
  t.strictSame(await seen(), [200, 1, ['TenantAdmin']])
  tenant.changeClient(client.id, { admin: false })
  t.strictSame(await seen(), [200, 0, []])
  t.equal((await call('DELETE', `/api/v1/oauth-tokens/${token?.id}`)).status, 403)
  tenant.changeClient(client.id, { admin: true })
  t.strictSame(await seen(), [200, 1, ['TenantAdmin']])
})

t.test('the returned roles can be omitted, or differ from the real ones', async (t) => {
  const { call, client, tenant } = await openSandbox(t)
  const rolesOf = async () => (await call('GET', `/api/v1/users/${client.userId}`)).body.roles
  tenant.changeClient(client.id, { rolesReported: false })
  t.equal(await rolesOf(), undefined)
  tenant.changeClient(client.id, { rolesReported: [] })
  t.strictSame(await rolesOf(), [], 'none, though it has one')
  tenant.changeClient(client.id, { admin: false, rolesReported: ['TenantAdmin'] })
  t.strictSame(await rolesOf(), ['TenantAdmin'], 'one that it has no more')
  tenant.changeClient(client.id, { rolesReported: true })
  t.strictSame(await rolesOf(), [])
  t.throws(() => tenant.changeClient('nobody', {}), /Client nobody does not exist/)
})

t.test('an unknown user gets 404 in the format of /users, with a numeric status', async (t) => {
  const { call } = await openSandbox(t)
  const { status, body } = await call('GET', '/api/v1/users/unknown')
  t.equal(status, 404)
  t.strictSame(body.errors, [{ code: 'USERS-7', title: 'Not found', status: 404 }])
  t.match(body.traceId, /^[0-9a-f]{32}$/)
})

t.test('an id in other letter case is another id, and lists nothing', async (t) => {
  const { call, tenant } = await openSandbox(t)
  tenant.issueTokens(tenant.addUser({ id: 'Zoe-1' }).id)
  for (const id of ['zoe-1', 'ZOE-1', '%20Zoe-1', 'Zoe-1%20']) {
    t.equal((await call('GET', `/api/v1/users/${id}`)).status, 404, id)
    t.strictSame((await call('GET', `/api/v1/oauth-tokens?userId=${id}`)).body.data, [], id)
  }
  t.equal((await call('GET', '/api/v1/users/Zoe-1')).status, 200)
})

t.test('a user can be found by the id in other letter case; the response has the real id', async (t) => {
  const { call, tenant } = await openSandbox(t, { anyCaseUserIds: true })
  for (const id of ['Zoe', 'zoe']) tenant.issueTokens(tenant.addUser({ id }).id)
  t.equal((await call('GET', '/api/v1/users/ZOE')).body.id, 'Zoe')
  t.equal((await call('GET', '/api/v1/users/zoe')).body.id, 'zoe', 'an exact one comes first')
  t.equal((await call('GET', '/api/v1/users/unknown')).status, 404)
  t.strictSame((await call('GET', '/api/v1/oauth-tokens?userId=ZOE')).body.data, [])
})

t.test('a user without TenantAdmin finds only itself, or all users', async (t) => {
  const { call, tenant, client } = await openSandbox(t)
  const ann = tenant.addUser({ email: 'ann@example.com' })
  tenant.changeClient(client.id, { admin: false })
  const filter = encodeURIComponent('email eq "ann@example.com"')
  const statusOf = async (id: string) => (await call('GET', `/api/v1/users/${id}`)).status
  const found = async () => (await call('GET', `/api/v1/users?filter=${filter}`)).body.data.length
  const total = async () => (await call('GET', '/api/v1/users/actions/count')).body.total
  t.same(
    [await statusOf(ann.id), await statusOf(client.userId), await found(), await total()],
    [404, 200, 0, 1],
  )
  tenant.settings.hidesUsers = false
  t.same(
    [await statusOf(ann.id), await statusOf(client.userId), await found(), await total()],
    [200, 200, 1, 2],
  )
})

t.test('a filter ignores case and can find several users', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const lower = tenant.addUser({ email: 'ann@example.com' })
  const upper = tenant.addUser({ email: 'ANN@example.com' })
  tenant.addUser({ email: 'ben@example.com' })
  const { status, body } = await call(
    'GET',
    `/api/v1/users?filter=${encodeURIComponent('email eq "Ann@example.com"')}`,
  )
  t.equal(status, 200)
  t.strictSame(
    body.data.map(({ id }: Json) => id),
    [lower.id, upper.id],
  )
})

t.test('quotes and backslashes in a value are data', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const subject = 'corp\\ann "the boss" or id eq "x"'
  const user = tenant.addUser({ subject })
  const filter = encodeURIComponent(`subject eq ${JSON.stringify(subject)}`)
  const { body } = await call('GET', `/api/v1/users?filter=${filter}`)
  t.strictSame(
    body.data.map(({ id }: Json) => id),
    [user.id],
  )
})

t.test('a listing ends at its limit', async (t) => {
  const { call, tenant } = await openSandbox(t)
  for (let count = 0; count < 25; count += 1) tenant.addUser()
  t.equal((await call('GET', '/api/v1/users')).body.data.length, 20)
  t.equal((await call('GET', '/api/v1/users?limit=2')).body.data.length, 2)
})

t.test('pages follow each other by cursors, in the order of the sort', async (t) => {
  const { call, tenant, url, client } = await openSandbox(t)
  const ids = ['c', 'a', 'b'].map((name) => tenant.addUser({ name }).id)
  const [c, a, b] = ids
  const read = async (query: string) => {
    const { body } = await call('GET', `/api/v1/users?${query}`)
    return { ids: body.data.map(({ id }: Json) => id), links: body.links, totalResults: body.totalResults }
  }
  t.match(await read('limit=3'), { ids: [client.userId, c, a], totalResults: undefined })
  const first = await read('limit=2&sort=%2Bname&totalResults=true')
  t.match(first, { ids: [client.userId, a], totalResults: 4 })
  t.equal(first.links.prev, undefined)
  t.match(first.links.next.href, `${url}/api/v1/users?limit=2&sort=%2Bname&totalResults=true&next=`)
  tenant.addUser({ name: 'aa' })
  const second = await read(first.links.next.href.split('?')[1])
  t.equal(second.ids.at(1), b, 'a user added in between is in the next page')
  t.equal(new URL(second.links.prev.href).searchParams.get('next'), null)
  t.strictSame((await read(second.links.prev.href.split('?')[1])).ids, first.ids)
})

t.test('a listing has only the requested fields', async (t) => {
  const { call, tenant } = await openSandbox(t)
  const { id } = tenant.addUser({ subject: 'ann' })
  const filter = encodeURIComponent('subject eq "ann"')
  const { body } = await call('GET', `/api/v1/users?filter=${filter}&fields=id,%20subject,unknown`)
  t.strictSame(body.data, [{ id, subject: 'ann' }])
})

t.test('the users are counted, for callers with an access token', async (t) => {
  const { call, tenant } = await openSandbox(t)
  tenant.addUser()
  t.match(await call('GET', '/api/v1/users/actions/count'), { status: 200, body: { total: 2 } })
  t.match(tenant.calls, [{ route: 'count', tier: 1, status: 200 }])
  t.equal((await call('GET', '/api/v1/users/actions/count', { token: null })).status, 401)
  tenant.order({ kind: 'status', status: 403, route: 'count' })
  t.match((await call('GET', '/api/v1/users/actions/count')).body.errors, [{ status: 403 }])
})

t.test('an invalid filter or limit gets 400', async (t) => {
  const { call } = await openSandbox(t)
  for (const query of [
    'filter=email',
    'filter=',
    'limit=101',
    'limit=0',
    'sort=age',
    'next=a',
    'next=YQ&prev=YQ',
    'totalResults=x',
  ]) {
    const { status, body } = await call('GET', `/api/v1/users?${query}`)
    t.equal(status, 400, query)
    t.match(body.errors, [{ status: 400 }])
  }
})

t.test('ids are unique', async (t) => {
  const { tenant } = await openSandbox(t)
  tenant.addUser({ id: 'ann' })
  t.throws(() => tenant.addUser({ id: 'ann' }), /User ann already exists/)
  tenant.addClient({ id: 'curfew' })
  t.throws(() => tenant.addClient({ id: 'curfew' }), /Client curfew already exists/)
})
