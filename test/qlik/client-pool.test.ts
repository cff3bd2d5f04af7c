import t from 'tap'
import { CALL, openPool } from '../support/client-pool.ts'
import { nextCall, rejection } from '../support/events.ts'

const MINUTE = 60_000
const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

t.test('the calls of a tenant use the budgets of all its clients, and no more', async (t) => {
  const { tenant, tokens, checked, revoked, clients, refusals, clock, sandbox } = await openPool(t)
  await checked()
  const results = tokens(20).map((id) => tenant.revokeToken(id, CALL))
  t.same(await Promise.all(results.slice(0, 18)), Array(18).fill('revoked'))
  t.same(
    clients.map(({ id }) => revoked(id)),
    [9, 9],
    'each client has also requested an access token',
  )
  t.equal(tenant.pool.remaining(2), 0)
  t.equal(tenant.pool.usedUpUntil(2), tenant.pool.estimate(2, 1))
  await turns()
  t.equal(
    clients.map(({ id }) => revoked(id)).reduce((a, b) => a + b),
    18,
  )
  const next = nextCall(sandbox, ({ route }) => route === 'revoke')
  clock.advance(5 * MINUTE + 10)
  await next
  await Promise.all(results)
  t.equal(refusals(), 0)
})

t.test(
  'waits of calls are reported with their reason, and end when the call is made or given up',
  async (t) => {
    const { tenant, tokens, checked, clients, sandbox, clock } = await openPool(t, {
      count: 1,
      tier2Limit: 2,
    })
    await checked()
    const waits: string[] = []
    const onWait = (what: string) => {
      waits.push(what)
      return () => void waits.push('end')
    }
    const [first = '', second = '', third = ''] = tokens(3)
    await tenant.revokeToken(first, { ...CALL, onWait })
    t.same(waits, [])
    const used = tenant.revokeToken(second, { ...CALL, onWait })
    await turns()
    t.same(waits, ['budget'])
    const { limiter, settings } = sandbox.tenant
    limiter.block(String(clients[0]?.userId), 2, settings.now(), 900)
    const refused = nextCall(sandbox, ({ status }) => status === 429)
    clock.advance(5 * MINUTE + 10)
    await refused
    while (waits.length < 3) await turns(1)
    t.same(waits, ['budget', 'end', 'qlik-rate-limit'])
    const stop = new AbortController()
    const stopped = rejection(tenant.revokeToken(third, { ...CALL, signal: stop.signal, onWait }))
    await turns()
    stop.abort()
    await stopped
    await turns()
    t.same(waits.slice(3), ['qlik-rate-limit', 'end'])
    used.catch(() => {})
  },
)

t.test('the allowance of a tenant is that of the clients that make calls', async (t) => {
  const { tenant, tokens, checked, clients, sandbox } = await openPool(t, { count: 3 })
  sandbox.tenant.changeClient(String(clients[0]?.id), { admin: false })
  await checked()
  await Promise.all(tokens(5).map((id) => tenant.revokeToken(id, CALL)))
  t.match(tenant.pool.allowance(), { permitsPerWindow: 20, permits: 13, readsPerWindow: 200 })
})

t.test('listings of the whole tenant are made by the given client', async (t) => {
  const { tenant, tokens, checked, clients, sandbox } = await openPool(t)
  await checked()
  tokens(150)
  const [, b] = clients
  sandbox.tenant.calls.length = 0
  const by = { ...CALL, client: String(b?.id) }
  const first = await tenant.listOwners(null, by)
  await tenant.listOwners(first.next, by)
  t.same(
    sandbox.tenant.calls.map(({ route, userId }) => [route, userId]),
    Array(2).fill(['list', b?.userId]),
  )
})

t.test('a waiting call takes the first client that has room', async (t) => {
  const { tenant, tokens, checked, revoked, clients, sandbox, clock } = await openPool(t)
  await checked()
  const [, b] = tenant.pool.clients
  await Promise.all(tokens(18).map((id) => tenant.revokeToken(id, CALL)))
  await tenant.pool.clients[0]?.budget.block(2, { ms: 10 * MINUTE, askedMs: null })
  const last = tenant.revokeToken(tokens(1)[0] ?? '', CALL)
  const revoking = nextCall(sandbox, ({ route }) => route === 'revoke')
  clock.advance(5 * MINUTE + 10)
  await revoking
  t.equal(await last, 'revoked')
  t.equal(revoked(String(clients[1]?.id)), 10)
  t.equal(b?.budget.blockedUntil(2), null)
})

t.test('a 429 blocks one client; the others make its calls', async (t) => {
  const { tenant, tokens, checked, revoked, clients, sandbox } = await openPool(t)
  await checked()
  const [a] = clients
  sandbox.tenant.limiter.block(String(a?.userId), 2, sandbox.tenant.settings.now(), 60)
  const gone = await Promise.all(tokens(5).map((id) => tenant.revokeToken(id, CALL)))
  t.same(gone, Array(5).fill('revoked'))
  t.equal(revoked(String(clients[1]?.id)), 5)
})

for (const [why, refuse, heal] of [
  ['a wrong secret', { secrets: [] as string[] }, (secret: string) => ({ secrets: [secret] })],
  ['a disabled bot user', { disabled: true }, () => ({ disabled: false })],
] as const) {
  t.test(`a client that Qlik refuses (${why}) is taken out, and tried again after a minute`, async (t) => {
    const { tenant, tokens, checked, clients, sandbox, clock, lines, revoked } = await openPool(t)
    await checked()
    const [a] = clients
    if (!a) return
    sandbox.tenant.changeClient(a.id, refuse)
    sandbox.tenant.expireAccessTokens(a.id)
    const gone = await Promise.all(tokens(6).map((id) => tenant.revokeToken(id, CALL)))
    t.same(gone, Array(6).fill('revoked'), 'the tenant does not fail')
    t.match(tenant.state.clients, [{ out: { code: 'CURFEW_QLIK_UNAUTHORIZED' } }, { out: null }])
    const about = () =>
      lines
        .filter(({ msg }) => /^Qlik Cloud (refuses|accepts)/.test(msg))
        .map(({ client, msg }) => [client, msg])
    const refused = 'Qlik Cloud refuses one of the OAuth clients; the others make its calls'
    t.same(about(), [[a.id, refused]], 'logged once')

    const tokenCalls = () => sandbox.tenant.calls.filter((call) => call.route === 'token').length
    const before = tokenCalls()
    clock.advance(MINUTE - 1)
    await turns()
    t.equal(tokenCalls(), before, 'not tried for a minute')
    const tried = nextCall(sandbox, ({ route }) => route === 'token')
    clock.advance(1)
    await tried
    await turns()
    t.ok(tenant.state.clients[0]?.out, 'still refused')

    sandbox.tenant.changeClient(a.id, heal(a.secret))
    clock.advance(MINUTE)
    while (tenant.state.clients[0]?.out) await turns(1)
    t.same(about().at(-1), [a.id, 'Qlik Cloud accepts the OAuth client again'])
    await Promise.all(tokens(3).map((id) => tenant.revokeToken(id, CALL)))
    t.ok(revoked(a.id) > 0)
  })
}

t.test('a 403 takes a client out only if another client can make the call', async (t) => {
  const { tenant, tokens, checked, sandbox } = await openPool(t)
  await checked()
  const [first = '', second = ''] = tokens(2)
  sandbox.tenant.order({ kind: 'status', status: 403, route: 'revoke', id: first, times: 2 })
  t.match(await rejection(tenant.revokeToken(first, CALL)), { kind: 'forbidden' })
  t.match(tenant.state.clients, [{ out: null }, { out: null }], 'Qlik refuses the token')

  sandbox.tenant.order({ kind: 'status', status: 403, route: 'revoke', id: second })
  t.equal(await tenant.revokeToken(second, CALL), 'revoked')
  t.equal(tenant.state.clients.filter(({ out }) => out?.code === 'CURFEW_QLIK_FORBIDDEN').length, 1)
})

t.test('if Qlik refuses all clients, calls fail as with a single client', async (t) => {
  const { tenant, tokens, checked, clients, sandbox } = await openPool(t)
  await checked()
  for (const { id } of clients) {
    sandbox.tenant.changeClient(id, { secrets: [] })
    sandbox.tenant.expireAccessTokens(id)
  }
  for (const id of tokens(2)) {
    t.match(await rejection(tenant.revokeToken(id, CALL)), { kind: 'credential-refused' })
  }
  t.match(await rejection(tenant.power({ ...CALL, maxAgeMs: 0 })), { kind: 'credential-refused' })
})

t.test('a client without its role or scope makes no calls, and the tenant is still proven', async (t) => {
  const { tenant, tokens, checked, clients, sandbox, revoked } = await openPool(t, { count: 3 })
  const [a, b, c] = clients
  sandbox.tenant.changeClient(String(a?.id), { admin: false })
  sandbox.tenant.changeClient(String(b?.id), { grantedScope: 'user_default' })
  await checked()
  t.match(await tenant.power(CALL), { power: 'proven', client: c?.id })
  await Promise.all(tokens(5).map((id) => tenant.revokeToken(id, CALL)))
  t.same(
    [a, b, c].map((one) => revoked(String(one?.id))),
    [0, 0, 5],
  )
  t.match((await tenant.listTokens('u1', null, CALL)).client, c?.id)
})

t.test('the users of all clients are known as Curfew’s own', async (t) => {
  const { tenant, checked, clients } = await openPool(t)
  await checked()
  const { ownUserIds } = await tenant.power(CALL)
  t.same(ownUserIds, new Set(clients.map(({ userId }) => userId)))
})

t.test('one client reads all pages of a listing, even if it is removed in between', async (t) => {
  const { tenant, checked, clients, sandbox, reload } = await openPool(t)
  await checked()
  const user = sandbox.tenant.addUser()
  sandbox.tenant.issueTokens(user.id, 250)
  const first = await tenant.listTokens(user.id, null, CALL)
  reload(clients.filter(({ id }) => id !== first.client))
  const by = { ...CALL, client: first.client }
  const second = await tenant.listTokens(user.id, first.next, by)
  const third = await tenant.listTokens(user.id, second.next, by)
  t.same([second.client, third.client, third.next], [first.client, first.client, null])
  const again = await tenant.listTokens(user.id, null, { ...CALL, preferredClient: first.client })
  t.not(again.client, first.client, 'a new listing uses a configured client')
})

t.test('a reload adds and removes clients while calls wait', async (t) => {
  const { tenant, tenants, tokens, checked, clients, sandbox, reload, revoked } = await openPool(t)
  await checked()
  const waiting = tokens(25).map((id) => tenant.revokeToken(id, CALL))
  await Promise.all(waiting.slice(0, 18))
  const [a, b] = clients
  const added = sandbox.tenant.addClient()
  if (!a || !b) return
  t.match(reload([b, added]), { changed: 1 })
  t.equal(tenants.get('acme'), tenant, 'runs keep their tenant')
  await Promise.all(waiting)
  t.equal(revoked(added.id), 7)
  t.same(
    tenant.state.clients.map(({ clientId }) => clientId),
    [b.id, added.id],
  )
  const budget = tenant.pool.find(a.id)?.budget
  reload([a, b, added])
  t.equal(tenant.pool.find(a.id)?.budget, budget, 'a client that returns has its budget')
  t.equal(budget?.remaining(2), 0)
})

t.test('calls that wait for a client are made by the others when it is removed', async (t) => {
  const { tenant, tokens, checked, clients, reload, revoked, clock } = await openPool(t)
  await checked()
  const waiting = tokens(26).map((id) => tenant.revokeToken(id, CALL))
  await Promise.all(waiting.slice(0, 18))
  const [a, b] = clients
  if (!a || !b) return
  reload([b])
  // Both have room again.
  clock.advance(5 * MINUTE + 10)
  await Promise.all(waiting)
  t.same([revoked(a.id), revoked(b.id)], [9, 17])
})

t.test('a removed client is closed after ten minutes', async (t) => {
  const { tenant, checked, clients, reload, clock } = await openPool(t, { count: 3 })
  await checked()
  const [a, ...others] = clients
  reload(others)
  t.ok(tenant.pool.find(String(a?.id)))
  clock.advance(10 * MINUTE)
  t.notOk(tenant.pool.find(String(a?.id)))
  const by = { ...CALL, client: String(a?.id) }
  t.match(await rejection(tenant.listTokens('u1', 'page', by)), { kind: 'unavailable' })
})
