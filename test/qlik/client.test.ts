import { createServer, type RequestListener } from 'node:http'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import { QlikClient } from '../../src/qlik/client.ts'
import { QlikHttp } from '../../src/qlik/http.ts'
import type { SandboxOptions } from '../../src/sandbox/options.ts'
import { startSandbox } from '../../src/sandbox/sandbox.ts'
import { rejection } from '../support/events.ts'
import { listen } from '../support/listen.ts'

const SIGNAL = new AbortController().signal
const FIRST = { userId: 'u1', page: null }

function clientOf(
  t: Test,
  origin: string,
  credentials = { clientId: 'c', clientSecret: 's' },
  timeoutMs = 5_000,
) {
  const http = new QlikHttp({ origin, timeoutMs, clock: systemClock, onCall: () => {} })
  t.teardown(() => http.close())
  return { http, client: new QlikClient(http, { ...credentials, scope: 'admin_classic' }) }
}

async function withSandbox(t: Test, options: SandboxOptions = {}, timeoutMs?: number) {
  const sandbox = await startSandbox(options)
  t.teardown(() => sandbox.close())
  const { id, secret, userId } = sandbox.tenant.addClient()
  const made = clientOf(t, sandbox.url, { clientId: id, clientSecret: secret }, timeoutMs)
  const { value: accessToken, lifetimeMs } = await made.client.requestAccessToken(SIGNAL)
  return { ...made, sandbox, tenant: sandbox.tenant, accessToken, lifetimeMs, botId: userId }
}

/** A tenant that answers what a test wants: for answers that the sandbox does not give. */
async function withAnswer(t: Test, listener: RequestListener) {
  const server = createServer(listener)
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return clientOf(t, `http://127.0.0.1:${await listen(server)}`).client
}

const json = (body: unknown, status = 200, headers = {}): RequestListener => {
  return (_request, response) => response.writeHead(status, headers).end(JSON.stringify(body))
}

t.test('the lifetime of an access token is whatever Qlik tells of it', async (t) => {
  for (const expiryFields of ['both', 'expires_in', 'expires_at'] as const) {
    const { lifetimeMs } = await withSandbox(t, {
      expiryFields,
      accessTokenLifetimeMs: 3_600_000,
      clockSkewMs: -7_200_000,
    })
    t.ok(Math.abs(lifetimeMs - 3_600_000) < 5_000, `${expiryFields}: ${lifetimeMs}, by the tenant's clock`)
  }
  t.equal(
    (await withSandbox(t, { expiryFields: 'none' })).lifetimeMs,
    300_000,
    'a short one where it tells none',
  )
  const nonsense = await withAnswer(t, json({ access_token: 'a', expires_in: 'x', expires_at: 'y' }))
  t.equal((await nonsense.requestAccessToken(SIGNAL)).lifetimeMs, 300_000)
  const endless = await withAnswer(t, json({ access_token: 'a', expires_in: 1e12 }))
  t.equal((await endless.requestAccessToken(SIGNAL)).lifetimeMs, 86_400_000)
})

t.test('a refused client is told apart from a refused access token', async (t) => {
  const { sandbox } = await withSandbox(t)
  const { client } = clientOf(t, sandbox.url, { clientId: 'unknown', clientSecret: 'x' })
  t.match(await rejection(client.requestAccessToken(SIGNAL)), {
    kind: 'client-rejected',
    message: /401 \(OAUTH-5\)/,
  })
  const disabled = sandbox.tenant.addClient({ disabled: true })
  const other = clientOf(t, sandbox.url, { clientId: disabled.id, clientSecret: disabled.secret })
  t.match(await rejection(other.client.requestAccessToken(SIGNAL)), { kind: 'client-rejected' })
  t.match(await rejection(other.client.listTokens('wrong', FIRST, SIGNAL)), { kind: 'unauthorized' })
})

t.test('an access token that would break a header is not taken', async (t) => {
  for (const access_token of ['a\r\nx: y', '', 'a b', 7, null]) {
    const client = await withAnswer(t, json({ access_token }))
    t.match(
      await rejection(client.requestAccessToken(SIGNAL)),
      { kind: 'unreadable' },
      JSON.stringify(access_token),
    )
  }
})

t.test('/users/me is followed to the user, relative or absolute, and nowhere else', async (t) => {
  for (const absoluteRedirect of [false, true]) {
    const { client, accessToken, botId } = await withSandbox(t, { absoluteRedirect })
    const me = await client.me(accessToken, SIGNAL)
    t.same(me, { path: `/api/v1/users/${botId}` })
    t.match(await client.user(accessToken, `/api/v1/users/${botId}`, SIGNAL), {
      id: botId,
      roles: ['TenantAdmin'],
    })
  }
  for (const location of [
    'https://elsewhere.example.invalid/api/v1/users/1',
    '//elsewhere.example.invalid/api/v1/users/1',
    '/api/v1/oauth-tokens',
    '/api/v1/users/../../oauth/token',
    '/api/v1/users/',
    'http://[',
    undefined,
  ]) {
    const client = await withAnswer(t, json({}, 301, location ? { location } : {}))
    t.match(await rejection(client.me('a', SIGNAL)), { kind: 'unreadable' }, String(location))
  }
})

t.test('pages are asked of the tenant itself, wherever the links point', async (t) => {
  const { client, tenant, accessToken } = await withSandbox(t, {
    linkOrigin: 'https://elsewhere.example.invalid',
  })
  const user = tenant.addUser()
  tenant.issueTokens(user.id, 250)
  const ids = new Set<string>()
  let page: string | null = null
  let pages = 0
  do {
    const answer: Awaited<ReturnType<typeof client.listTokens>> = await client.listTokens(
      accessToken,
      { userId: user.id, page },
      SIGNAL,
    )
    for (const { id } of answer.tokens) ids.add(id)
    page = answer.next
    pages += 1
  } while (page !== null)
  t.same([ids.size, pages], [250, 3])
})

t.test('a next link without a page is not the end of the list', async (t) => {
  for (const href of ['https://x.example.invalid/api/v1/oauth-tokens', 'http://[', '?page=']) {
    const client = await withAnswer(t, json({ data: [], links: { next: { href } } }))
    t.match(await rejection(client.listTokens('a', FIRST, SIGNAL)), { kind: 'unreadable' }, href)
  }
  for (const links of [{}, { next: null }, { next: { href: '' } }, null, undefined]) {
    const client = await withAnswer(t, json({ data: [], links }))
    t.equal((await client.listTokens('a', FIRST, SIGNAL)).next, null, JSON.stringify(links))
  }
})

t.test('tokens of others than asked for are left alone', async (t) => {
  const rows = [
    { id: 'a', userId: 'u1', tenantId: 't' },
    { id: 'b', userId: 'u2', tenantId: 't' },
  ]
  const client = await withAnswer(t, json({ data: rows }))
  const { tokens, owners } = await client.listTokens('x', FIRST, SIGNAL)
  t.same(
    tokens.map(({ id }) => id),
    ['a'],
  )
  t.same(owners, new Set(['u1', 'u2']))
})

t.test('a list of nothing but others is not an empty one', async (t) => {
  const client = await withAnswer(t, json({ data: [{ id: 'a', userId: 'U1', tenantId: 't' }] }))
  t.match(await rejection(client.listTokens('x', FIRST, SIGNAL)), { kind: 'unreadable' })
})

t.test(
  'a page that Qlik knows no more is asked for anew from the first, not a verdict on the user',
  async (t) => {
    const client = await withAnswer(t, json({ errors: [] }, 400))
    t.match(await rejection(client.listTokens('x', { ...FIRST, page: 'p' }, SIGNAL)), { kind: 'unreadable' })
    t.match(await rejection(client.listTokens('x', FIRST, SIGNAL)), { kind: 'rejected' })
  },
)

t.test('unknown members are let through, others must have the documented form', async (t) => {
  const row = { id: 'a', userId: 'u1', tenantId: 't', deviceType: 7, lastUsed: null, somethingNew: {} }
  const client = await withAnswer(t, json({ data: [row], somethingElse: 1 }))
  t.match(await client.listTokens('x', FIRST, SIGNAL), { tokens: [{ id: 'a', deviceType: null }] })
  for (const body of [
    null,
    [],
    'text',
    {},
    { data: {} },
    { data: [{ id: 7, userId: 'u1' }] },
    { data: [{ ...row, id: '..' }] },
  ]) {
    const odd = await withAnswer(t, json(body))
    t.match(await rejection(odd.listTokens('x', FIRST, SIGNAL)), { kind: 'unreadable' }, JSON.stringify(body))
  }
})

t.test('ids are escaped on the wire', async (t) => {
  const seen: string[] = []
  const client = await withAnswer(t, (request, response) => {
    seen.push(`${request.method} ${request.url}`)
    response.writeHead(204).end()
  })
  await client.revokeToken('x', 'a/../b?c#d e%', SIGNAL)
  await client.listTokens('x', { userId: 'a&limit=1#ü', page: 'p&q' }, SIGNAL).catch(() => {})
  t.same(seen, [
    'DELETE /api/v1/oauth-tokens/a%2F..%2Fb%3Fc%23d%20e%25',
    'GET /api/v1/oauth-tokens?limit=100&userId=a%26limit%3D1%23%C3%BC&page=p%26q',
  ])
})

t.test('users are found by subject and e-mail address, quotes and all', async (t) => {
  const { client, tenant, accessToken } = await withSandbox(t)
  const odd = tenant.addUser({ subject: 'a"b\\c" or subject eq "d', email: 'Ann@Example.com' })
  tenant.addUser({ subject: 'd' })
  const find = (kind: 'subject' | 'email', value: string) =>
    client.findUsers(accessToken, [{ kind, value }], SIGNAL)
  t.same(await find('subject', odd.subject), [{ id: odd.id, value: odd.subject }])
  t.same(await find('email', 'ann@example.COM'), [{ id: odd.id, value: 'Ann@Example.com' }])
  t.same(await find('email', 'nobody@example.com'), [])
  const names = [odd.subject, 'd', 'nobody'].map((value) => ({ kind: 'subject' as const, value }))
  t.equal((await client.findUsers(accessToken, names, SIGNAL)).length, 2, 'several at once')
})

t.test('a tenant that ignores the filter is not believed', async (t) => {
  for (const data of [[{ id: '1', subject: 'other' }], [{ id: '1' }], [{ id: '1', email: 'me' }]]) {
    const client = await withAnswer(t, json({ data }))
    t.match(await rejection(client.findUsers('x', [{ kind: 'subject', value: 'me' }], SIGNAL)), {
      kind: 'unreadable',
    })
  }
})

t.test('every way to get no readable answer is a failure of its kind, and ends', async (t) => {
  const { client, tenant, accessToken } = await withSandbox(t, {}, 300)
  const user = tenant.addUser()
  tenant.issueTokens(user.id, 2)
  const list = () => client.listTokens(accessToken, { userId: user.id, page: null }, SIGNAL)
  for (const [fault, failure] of [
    [{ kind: 'status', status: 500 }, { kind: 'unavailable' }],
    [{ kind: 'status', status: 503 }, { kind: 'unavailable' }],
    [{ kind: 'status', status: 408 }, { kind: 'unavailable' }],
    [{ kind: 'status', status: 400 }, { kind: 'rejected' }],
    [{ kind: 'status', status: 401 }, { kind: 'unauthorized' }],
    [{ kind: 'status', status: 403 }, { kind: 'forbidden' }],
    [{ kind: 'status', status: 404 }, { kind: 'unreadable' }],
    [{ kind: 'status', status: 204 }, { kind: 'unreadable' }],
    [
      { kind: 'rate-limited', seconds: 13 },
      { kind: 'rate-limited', retryAfterMs: 13_000 },
    ],
    [
      { kind: 'rate-limited', retryAfter: 'missing' },
      { kind: 'rate-limited', retryAfterMs: null },
    ],
    [{ kind: 'redirect' }, { kind: 'unreadable' }],
    [{ kind: 'reset' }, { kind: 'unavailable' }],
    [{ kind: 'hang' }, { kind: 'unavailable' }],
    [{ kind: 'trickle', intervalMs: 50 }, { kind: 'unavailable' }],
    [{ kind: 'huge-body', bytes: 5 * 1024 * 1024 }, { kind: 'unavailable' }],
    [{ kind: 'broken-json' }, { kind: 'unreadable' }],
    [{ kind: 'wrong-schema' }, { kind: 'unreadable' }],
  ] as const) {
    tenant.order({ ...fault, route: 'list' })
    t.match(await rejection(list()), failure, JSON.stringify(fault))
  }
  t.equal((await list()).tokens.length, 2, 'and then it goes on')
})

t.test("a 429's date is read by the tenant's clock", async (t) => {
  const { client, tenant, accessToken, http } = await withSandbox(t, { clockSkewMs: 3_600_000 })
  t.ok(Math.abs(http.clockOffset - 3_600_000) < 2_000)
  tenant.order({ kind: 'rate-limited', seconds: 60, retryAfter: 'date', route: 'list' })
  const failure = await rejection(client.listTokens(accessToken, FIRST, SIGNAL))
  t.match(failure, { kind: 'rate-limited' })
  t.ok(Math.abs(Number(Object(failure).retryAfterMs) - 60_000) < 3_000)
})

t.test('a Date that is days away is not believed', async (t) => {
  const { http } = await withSandbox(t, { clockSkewMs: 3 * 86_400_000 })
  t.equal(http.clockOffset, 0)
})

t.test('aborting ends a call at once, with the reason given', async (t) => {
  const { client, sandbox, accessToken } = await withSandbox(t)
  sandbox.tenant.order({ kind: 'hang', route: 'list' })
  const abort = new AbortController()
  const call = client.listTokens(accessToken, FIRST, abort.signal)
  abort.abort(new Error('enough'))
  await t.rejects(call, { message: 'enough' })
})

t.test('failures repeat nothing of what Qlik said or was sent', async (t) => {
  const client = await withAnswer(t, json({ errors: [{ code: 'ann@example.com', title: 'secret' }] }, 500))
  await t.rejects(client.listTokens('x', FIRST, SIGNAL), { message: 'Qlik Cloud answered list with 500.' })
})
